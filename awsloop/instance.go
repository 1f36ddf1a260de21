package awsloop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// InstanceOptions describe a server whose agent registers with Systems Manager.
type InstanceOptions struct {
	Online   bool
	Platform types.PlatformType // empty for Linux
	Name     string
	Tags     map[string]string // as Systems Manager sees them
	// PingAge is how long ago an agent that is online was last heard of.
	PingAge time.Duration
	// Lost is how long after the last ping of an agent it is said to be lost;
	// zero for at once. Until then a dead agent is Online.
	Lost time.Duration
	// Boot is how long a restart takes.
	Boot time.Duration
	// Env is added to the environment of the commands, in the form of
	// [os.Environ].
	Env []string
	// Run stands in for sh, when it's set. It should return soon after ctx is
	// done; it is called as often as a shell would run the script, by several
	// goroutines.
	Run func(ctx context.Context, commandID, script string, params map[string][]string) (stdout, stderr string, exit int)
}

// Instance is a server with an agent: an EC2 instance, whose EC2 side moto
// holds, or a hybrid node (mi-…). Its methods are safe for concurrent use and
// for repetition.
type Instance struct {
	manager *systemsManager
	id      string
	number  int
	dir     string // absolute; its commands' processes carry it as their mark
	options InstanceOptions

	// Under manager.mu:
	registered time.Time
	heard      time.Time // the last ping, while the agent is offline
	tags       map[string]string
	online     bool
	isDown     bool // stopped, or restarting
	stopped    bool
	terminated bool
	agent
}

// AddInstance registers a server. Its commands run below Options.Dir, in
// a folder named after it, with SOLOCRON_RUN_DIR set to the folder "state" in
// there.
func (s *Server) AddInstance(id string, o InstanceOptions) (*Instance, error) {
	if !instancePattern.MatchString(id) {
		return nil, fmt.Errorf("add instance %q: not the ID of an instance or managed node", id)
	}
	i := &Instance{manager: s.ssm, id: id, options: o, online: o.Online, tags: maps.Clone(o.Tags), registered: time.Now()}
	if i.tags == nil {
		i.tags = map[string]string{}
	}
	if o.Platform == "" {
		i.options.Platform = types.PlatformTypeLinux
	}
	i.heard = i.registered.Add(-o.PingAge)
	if o.Run == nil {
		if err := i.makeDir(s.options.Dir); err != nil {
			return nil, fmt.Errorf("add instance %s: %w", id, err)
		}
	}
	m := s.ssm
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.find(id) != nil {
		return nil, fmt.Errorf("add instance %s: it is registered already", id)
	}
	i.number = m.next()
	m.instances = append(m.instances, i)
	return i, nil
}

func (i *Instance) makeDir(parent string) (err error) {
	if parent == "" {
		return errors.New("the server has no directory for its instances")
	}
	if i.dir, err = filepath.Abs(filepath.Join(parent, i.id)); err != nil {
		return err
	}
	return os.MkdirAll(i.dir, 0o755) //nolint:gosec // commands of other users look into it
}

// Instance is the one that is registered under the ID, or nil.
func (s *Server) Instance(id string) *Instance {
	s.ssm.mu.Lock()
	defer s.ssm.mu.Unlock()
	return s.ssm.find(id)
}

// ID is the instance's.
func (i *Instance) ID() string { return i.id }

// Dir is the instance's folder; empty if it has none.
func (i *Instance) Dir() string { return i.dir }

func (i *Instance) hybrid() bool { return i.id[0] == 'm' }

// arn is the instance's as resources in events carry it.
func (i *Instance) arn() string {
	o := i.manager.server.options
	if i.hybrid() {
		return fmt.Sprintf("arn:aws:ssm:%s:%s:managed-instance/%s", o.Region, o.Account, i.id)
	}
	return fmt.Sprintf("arn:aws:ec2:%s:%s:instance/%s", o.Region, o.Account, i.id)
}

// ping is what the service thinks of the agent. manager.mu is held.
func (i *Instance) ping() (status types.PingStatus, heard time.Time) {
	now := time.Now()
	if i.online {
		return types.PingStatusOnline, now.Add(-i.options.PingAge)
	}
	if now.Sub(i.heard) < i.options.Lost {
		return types.PingStatusOnline, i.heard
	}
	return types.PingStatusConnectionLost, i.heard
}

// AgentOffline cuts the agent off. What runs goes on; its result is told when
// the agent is back.
func (i *Instance) AgentOffline() { i.locked(i.disconnect) }

// AgentOnline brings the agent back, unless the instance is down.
func (i *Instance) AgentOnline() { i.locked(i.connect) }

// KillAgent stops the agent for good in the middle of its work: what runs goes
// on, and nobody ever tells of it. AgentOnline starts another agent.
func (i *Instance) KillAgent() { i.locked(i.kill) }

// Stop shuts the instance down: all its processes die.
func (i *Instance) Stop() { i.down(func() { i.stopped = true }) }

// Start boots a stopped instance.
func (i *Instance) Start() {
	i.locked(func() {
		if i.stopped {
			i.stopped = false
			i.manager.after(i.options.Boot, i.boot)
		}
	})
}

// Reboot restarts the instance: all its processes die, and after Boot its agent
// takes up what it was at.
func (i *Instance) Reboot() {
	i.down(func() { i.manager.after(i.options.Boot, i.boot) })
}

// Terminate ends the instance for good.
func (i *Instance) Terminate() { i.down(func() { i.terminated = true }) }

func (i *Instance) locked(f func()) {
	i.manager.mu.Lock()
	defer i.manager.mu.Unlock()
	f()
}

// down ends the agent and all processes, then does what is to follow.
func (i *Instance) down(then func()) {
	var dying []*documentRun
	i.locked(func() {
		i.disconnect()
		i.isDown = true
		dying = i.interrupt()
	})
	i.killAll(dying)
	i.locked(then)
}

// end is down when the server closes.
func (i *Instance) end() {
	var dying []*documentRun
	i.locked(func() {
		i.online = false
		dying = slices.Collect(maps.Keys(i.running))
		for _, r := range dying {
			r.mute, r.rerun = true, false
			r.cancel(errDown)
		}
	})
	i.killAll(dying)
}

// killAll waits for the shells that are being ended, as one of them may be just
// starting, and ends what they left behind.
func (i *Instance) killAll(dying []*documentRun) {
	if i.dir == "" {
		return // nothing but functions, which may have called us
	}
	for _, r := range dying {
		<-r.done
	}
	if err := killBelow(i.dir); err != nil {
		i.manager.server.log.Error("end the processes of an instance", "instance", i.id, "err", err)
	}
}
