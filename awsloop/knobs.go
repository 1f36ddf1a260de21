package awsloop

import (
	"maps"
	"time"
)

// Knob is one fault: how likely it is, from 0 (never) to 1 (always), and, where
// that makes sense, for how long.
type Knob struct {
	P   float64
	For time.Duration
	// First is how often it happens to each thing that an [Answer] is about,
	// before P counts. No other knob has it.
	First int
}

// knob is how the files of this package name it in signatures.
type knob = Knob

// Knobs are the faults of a Server. The zero value is none.
type Knobs struct {
	// Throttle refuses calls as too many; Lost performs them and then cuts the
	// connection without an answer; Delay lets them wait for the knob's time,
	// before they're performed. All are by "service.Operation", else
	// by "service.*", else by "*".
	Throttle, Lost, Delay map[string]Knob

	// Answers are awkward answers, by [Answer].Name. Those that come after
	// something was made come as often as the knob's First says, and with P only
	// within the knob's time.
	Answers map[string]Knob

	// Unlisted leaves a schedule that was just made out of ListSchedules,
	// Lingering keeps one that was just deleted in it, each for the knob's time.
	// ListSchedules promises nothing about either.
	Unlisted, Lingering Knob

	SSM     AgentKnobs
	Events  DeliveryKnobs // events of Systems Manager on their way to the function
	Invokes DeliveryKnobs // Scheduler's and asynchronous invocations of the function

	// Crash kills the function's process during an invocation, at a random
	// moment within the knob's time. Drawn once per attempt.
	Crash Knob

	// Pending keeps a function that was just made or changed from being ready
	// for the knob's time: its state is Pending, or its last update InProgress.
	Pending Knob
}

// DeliveryKnobs are what can happen to a message on its way.
type DeliveryKnobs struct {
	Duplicate Knob // delivered once more, the knob's time later
	Delay     Knob // delivered the knob's time later
	Drop      Knob // never delivered
	Reorder   Knob // delivered after the message that follows it, or after the knob's time
}

// AgentKnobs are the faults of Systems Manager and its agents. Each is drawn
// once per command and instance, unless said otherwise.
type AgentKnobs struct {
	// Unseen makes a command that was just sent unknown to GetCommandInvocation
	// for the knob's time.
	Unseen Knob
	// Twice applies a SendCommand twice, as when a client repeats it after a
	// lost answer: two commands, of which the answer names the second.
	Twice Knob
	// Duplicate has the agent run the document twice at the same time: its own
	// marker against that fails.
	Duplicate Knob
	// Delay delivers the command the knob's time later.
	Delay Knob
	// Drop loses the command on the way: it stays InProgress until it expires.
	Drop Knob
	// Offline finds the agent gone when the command is to be delivered; it is
	// back after the knob's time, or never if that is zero.
	Offline Knob
	// Kill stops the agent right after it started the command, which goes on
	// running; nothing is ever reported. The agent is back after the knob's
	// time, or never if that is zero.
	Kill Knob
	// Reboot restarts the instance, the knob's time after the command started.
	Reboot Knob
	// Redeliver runs the document again: the knob's time after its first end,
	// or when the agent is back, if a restart of the instance ended it.
	Redeliver Knob
}

// Knobs are the faults that are in force.
func (s *Server) Knobs() Knobs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.knobs
}

// SetKnobs puts the faults in force for whatever begins from now on.
func (s *Server) SetKnobs(k Knobs) {
	k.Throttle, k.Lost, k.Delay, k.Answers = maps.Clone(k.Throttle), maps.Clone(k.Lost), maps.Clone(k.Delay), maps.Clone(k.Answers)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knobs = k
}

// roll draws whether the fault happens.
func (s *Server) roll(k knob) bool {
	if k.P <= 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.Float64() < k.P
}

// of is the knob for an operation: the most precise that is set.
func of(knobs map[string]Knob, service, operation string) Knob {
	for _, name := range []string{service + "." + operation, service + ".*", "*"} {
		if k, ok := knobs[name]; ok {
			return k
		}
	}
	return Knob{}
}
