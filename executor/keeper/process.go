package keeper

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is what /proc says of one.
type process struct {
	pid, parent, session int
	state                byte
	born                 string // its start time, which tells it from another with its number
}

// live reports whether it may still do something.
func (p process) live() bool { return p.state != 'Z' && p.state != 'X' }

// look returns a process; false if there is none.
func look(pid int) (process, bool) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return process{}, false
	}
	defer unix.Close(fd)
	var line [1 << 10]byte // 52 numbers and a name of 15 bytes at most
	n, err := unix.Read(fd, line[:])
	if err != nil {
		return process{}, false
	}
	// The name before the last parenthesis may hold anything.
	stat := line[:n]
	words := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(words) < 20 {
		return process{}, false
	}
	p := process{pid: pid, state: words[0][0], born: string(words[19])}
	p.parent, _ = strconv.Atoi(string(words[1]))
	p.session, _ = strconv.Atoi(string(words[3]))
	return p, true
}

// processes are all that there are.
func processes() []process {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	var all []process
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if p, ok := look(pid); ok {
				all = append(all, p)
			}
		}
	}
	return all
}

// carries reports whether the process was started with the variable.
func (p process) carries(variable string) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ")
	return err == nil && bytes.Contains(append([]byte{0}, environ...), []byte("\x00"+variable+"\x00"))
}

// sign names a process once and for all.
func sign(boot string, p process) string { return fmt.Sprintf("%s %d %s ", boot, p.pid, p.born) }

func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}
