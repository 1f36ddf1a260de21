package keeper

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/solocron/solocron/guard"
	"golang.org/x/sys/unix"
)

// refusal is why a command never starts.
type refusal struct {
	reason    string
	busy      bool // another attempt holds the job's lock
	duplicate bool // proves nothing: the attempt was here before
}

func (r refusal) Error() string { return r.reason }

// account is who a command runs as, and by what means it gets there.
type account struct {
	name, home string
	uid, gid   string
	means      string // path of setpriv, runuser or su; empty to stay
}

// self is the account that the keeper runs as, by its clean environment.
func self() account {
	name, home := os.Getenv("LOGNAME"), os.Getenv("HOME")
	if name == "" {
		name = os.Getenv("USER")
	}
	if home == "" {
		home = "/"
	}
	return account{name: name, home: home}
}

// check finds what can be known to be missing before anything is written, and
// settles root, shell, user and directory.
func (a *attempt) check() (root string, err error) {
	e := &a.errand
	if e.Root == "" && os.Getuid() != 0 && os.Getenv("HOME")+os.Getenv("XDG_STATE_HOME") == "" {
		return "", refusal{reason: "the login has no HOME: set run_dir for this host"}
	}
	root = guard.Root(e.Root, os.Getuid(), os.Getenv("HOME"), os.Getenv("XDG_STATE_HOME"))
	shell := e.Shell
	if !strings.Contains(shell, "/") {
		shell = findTool(shell)
	}
	if shell == "" || unix.Access(shell, unix.X_OK) != nil {
		return "", refusal{reason: fmt.Sprintf("no shell %s on this host", e.Shell)}
	}
	e.Shell = shell
	a.as = self()
	if e.User != "" && e.User != a.as.name {
		if err := a.checkUser(); err != nil {
			return "", err
		}
	}
	switch {
	case e.Dir == "" && enterable(a.as.home):
		e.Dir = a.as.home
	case e.Dir == "":
		e.Dir = "/"
	case !enterable(e.Dir):
		return "", refusal{reason: fmt.Sprintf("no directory %s on this host, or no way into it", e.Dir)}
	}
	return root, nil
}

func enterable(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir() && unix.Access(dir, unix.X_OK) == nil
}

// findTool returns a program's path, or nothing.
func findTool(name string) string { return toolIn(os.Getenv("PATH"), name) }

func toolIn(path, name string) string {
	for _, dir := range filepath.SplitList(path) {
		if path := filepath.Join(dir, name); unix.Access(path, unix.X_OK) == nil {
			return path
		}
	}
	return ""
}

// checkUser finds the errand's user, and a means to become it.
func (a *attempt) checkUser() error {
	name := a.errand.User
	as, ok := a.lookUp(name)
	if !ok {
		return refusal{reason: fmt.Sprintf("no user %s on this host", name)}
	}
	a.as = as
	own := strconv.Itoa(os.Getuid())
	if as.uid == own {
		return nil
	}
	if own != "0" {
		return refusal{reason: fmt.Sprintf("must be root to run as user %s; the guard runs as uid %s", name, own)}
	}
	for _, tool := range []string{"setpriv", "runuser", "su"} {
		a.as.means = findTool(tool)
		if a.as.means == "" {
			continue
		}
		if _, code, err := a.k.children.output(a.argv("true"), os.Environ(), "/"); err == nil && code == 0 {
			return nil
		}
	}
	return refusal{reason: fmt.Sprintf("neither setpriv, runuser nor su can run a command as user %s", name)}
}

// lookUp finds a user; getent knows those that are in no file.
func (a *attempt) lookUp(name string) (account, bool) {
	if u, err := user.Lookup(name); err == nil {
		return account{name: name, home: u.HomeDir, uid: u.Uid, gid: u.Gid}, true
	}
	getent := findTool("getent")
	if getent == "" {
		return account{}, false
	}
	out, code, err := a.k.children.output([]string{getent, "passwd", name}, os.Environ(), "/")
	line, _, _ := strings.Cut(string(out), "\n")
	entry := strings.Split(line, ":")
	if err != nil || code != 0 || len(entry) < 7 {
		return account{}, false
	}
	return account{name: entry[0], home: entry[5], uid: entry[2], gid: entry[3]}, true
}

// argv is the shell with a text, as the user it is for.
func (a *attempt) argv(text string) []string {
	plain := []string{a.errand.Shell, "-c", text}
	switch filepath.Base(a.as.means) {
	case "setpriv":
		return append([]string{a.as.means, "--reuid", a.as.uid, "--regid", a.as.gid, "--init-groups"}, plain...)
	case "runuser":
		return append([]string{a.as.means, "-u", a.errand.User, "--"}, plain...)
	case "su":
		return []string{a.as.means, "-m", "-s", a.errand.Shell, a.errand.User, "-c", text}
	}
	return plain
}

// environ is the command's environment: what every command has, then what the
// errand brings, the last word on a name being the one that counts.
func (a *attempt) environ() []string {
	path := "/usr/local/bin:/usr/bin:/bin"
	if a.as.name == "root" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	all := append([]string{
		"HOME=" + a.as.home, "USER=" + a.as.name, "LOGNAME=" + a.as.name, "SHELL=" + a.errand.Shell,
		"PATH=" + path, "LANG=C.UTF-8", "PWD=" + a.errand.Dir, "SOLOCRON_MARK=" + a.dir + "/",
	}, a.errand.Env...)
	at := make(map[string]int, len(all))
	env := all[:0:0]
	for _, entry := range all {
		name, _, _ := strings.Cut(entry, "=")
		if i, known := at[name]; known {
			env[i] = entry
			continue
		}
		at[name] = len(env)
		env = append(env, entry)
	}
	return env
}
