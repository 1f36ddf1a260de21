package guard

import (
	_ "embed"
	"os"
	"strings"
)

var (
	//go:embed sh/common.sh
	common string
	//go:embed sh/tree.sh
	tree string
	//go:embed sh/output.sh
	output string
	//go:embed sh/start.sh
	start string
	//go:embed sh/claim.sh
	claim string
	//go:embed sh/ask.sh
	ask string
	//go:embed sh/oneway.sh
	alone string
	//go:embed sh/main.sh
	main string
)

// Script is the guard as it travels: everything but its comments.
var Script = uncommented(common + tree + output + start + claim + ask + alone + main)

func uncommented(script string) string {
	var b strings.Builder
	for line := range strings.Lines(script) {
		if trimmed := strings.TrimSpace(line); trimmed != "" && trimmed[0] != '#' {
			b.WriteString(line)
		}
	}
	return b.String()
}

// The verbs. Start reads an [Order] as [Order.Encode] makes it and then waits
// for the line of [Go]. The others take the root of the run directories (empty
// for the host's default) and, but for Probe, the name of one ([Attempt.Dir]);
// then Stop an optional "kill"; Read an offset and a limit in bytes; Probe the
// days for which ended attempts are kept and the free bytes that it wants.
const (
	VerbStart  = "start"
	VerbStatus = "status"
	VerbStop   = "stop"
	VerbRead   = "output"
	VerbProbe  = "probe"
)

// Argv is the guard as an argument list, for a process on this machine. Its
// environment must be one of [Environ]'s making.
func Argv(verb string, args ...string) []string {
	return append([]string{"/bin/sh", "-c", Script, "solocron-guard", verb}, args...)
}

// CommandLine is the guard as one line for a login shell of the Bourne family,
// which is how sshd runs commands. Nothing of the login's environment but its
// name, its home and its state directories reaches the guard.
func CommandLine(verb string, args ...string) string {
	var b strings.Builder
	b.WriteString("exec " + environment)
	for _, arg := range Argv(verb, args...) {
		b.WriteByte(' ')
		b.WriteString(quote(arg))
	}
	return b.String()
}

const environment = `env -i HOME="$HOME" USER="$USER" LOGNAME="$LOGNAME" XDG_STATE_HOME="$XDG_STATE_HOME" SOLOCRON_RUN_DIR="$SOLOCRON_RUN_DIR" PATH=` + path + ` LC_ALL=C`

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Environ is the environment of a guard on this machine: that of the user it
// runs as, and nothing of the caller's but [RunDirVariable]. state is
// XDG_STATE_HOME or empty.
func Environ(user, home, state string) []string {
	return []string{
		"HOME=" + home, "USER=" + user, "LOGNAME=" + user, "XDG_STATE_HOME=" + state,
		RunDirVariable + "=" + os.Getenv(RunDirVariable), "PATH=" + path, "LC_ALL=C",
	}
}

// quote makes s one word of a shell command, whatever it holds but NUL.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
