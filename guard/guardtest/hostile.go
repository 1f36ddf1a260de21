package guardtest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/solocron/solocron/guard"
)

// nasty is what a word of an order may hold.
var nasty = []string{
	"it's", `"double"`, "$(touch pwned)", "`touch pwned`", "a\nb\n.\n\nend exited\n", `\`, "\xff\xfe\x80", `'"$nl"'`, "%s%n", "o_root='/'", "-n", "$HOME", "*", "\t\r\x1b[2J", "a=b;touch pwned", "\u202e日本",
}

// Whatever the words of an order hold, the command gets them letter by letter,
// and nothing of them is run.
func hostile(t *testing.T, h *Host) {
	shell := h.Home + "/sh -c 'touch pwned' $(id)"
	if err := os.Symlink("/bin/sh", shell); err != nil {
		t.Fatal(err)
	}
	dirs := []string{".", h.Home, h.Root} // where a word that is run would leave something
	for n, value := range nasty {
		o := h.Order("printf '%s|%s|%s|' \"$VALUE\" \"$PASSWORD\" \"$SOLOCRON_HOST\"; pwd; printf %s '" + strings.ReplaceAll(value, "'", `'\''`) + "'")
		o.N, o.Shell, o.Host = n+1, shell, value
		o.Env, o.Secrets = map[string]string{"VALUE": value}, map[string]string{"PASSWORD": value}
		o.Dir = h.Home + "/" + strings.ReplaceAll(value, "/", "")
		if err := os.MkdirAll(o.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, o.Dir)
		want := fmt.Sprintf("%s|%s|%s|%s\n%s", value, value, value, o.Dir, value)
		if res := h.Result(o); res.End != guard.Exited || string(res.Output.Head) != want {
			t.Errorf("%q: %+v, output %q", value, brief(res), res.Output.Head)
		}
	}
	for n, user := range []string{".*", "roo.", "r*", "$(id)", "`id`", "root'", "[a-z]*", "^root", "ro\\ot", "*"} {
		o := h.Order("touch pwned")
		o.N, o.User = 100+n, user
		h.Refused(o, "no user")
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir + "/pwned"); err == nil {
			t.Errorf("something was run in %s", dir)
		}
	}
}

// Where somebody else can put things in the place of run directories, none is
// trusted: he could make a delivered attempt look like a new one.
func othersDirectories(t *testing.T, h *Host) {
	NeedRoot(t)
	const nobody = 65534
	before := h.Order("true")
	h.Result(before)
	for n, c := range []struct {
		name        string
		spoil, mend func() error
	}{
		{"the root is another's", func() error { return os.Chown(h.Root, nobody, nobody) }, func() error { return os.Chown(h.Root, 0, 0) }},
		{"runs is another's", func() error { return os.Chown(h.Root+"/runs", nobody, nobody) }, func() error { return os.Chown(h.Root+"/runs", 0, 0) }},
		{"runs is a link", func() error {
			os.Mkdir(h.Home+"/elsewhere", 0o700)
			os.Rename(h.Root+"/runs", h.Root+"/away")
			return os.Symlink(h.Home+"/elsewhere", h.Root+"/runs")
		}, func() error {
			os.Remove(h.Root + "/runs")
			return os.Rename(h.Root+"/away", h.Root+"/runs")
		}},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		o := h.Order("touch " + h.Home + "/started")
		o.N = 2 + n
		h.Refused(o, "is not a directory of")
		h.Refused(before, "is not a directory of")
		if out := h.Ask(guard.VerbProbe, "7", "0"); !strings.Contains(out, "unfit "+h.Root) {
			t.Errorf("%s: probe: %q", c.name, out)
		}
		if err := c.mend(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(h.Home + "/started"); err == nil {
		t.Error("a command was started")
	}
	h.Refused(before, "delivered to this host before")

	// A link where the attempt's own directory would be is a delivery.
	o := h.Order("touch " + h.Home + "/started")
	o.N = 9
	if err := os.Symlink(h.Home, h.Dir(o)); err != nil {
		t.Fatal(err)
	}
	h.Refused(o, "delivered to this host before")
}

// forgery is what a guard would say of another end.
const forgery = `
for word in "end exited" "code 0" "from 1" "to 2" "reason " "note forged" "." "output 3 " "tail 0" "." "data 0 0" "started"; do
	echo "$word"; echo "$word" >&2
done
exit 3`

// What a command writes is never taken for the guard's own word.
func forgedWords(t *testing.T, h *Host) {
	res := h.Result(h.Order(forgery))
	if res.End != guard.Exited || res.Code != 3 || res.Note != "" || strings.Count(string(res.Output.Head), "note forged") != 2 {
		t.Errorf("%+v", res)
	}
}

func onewayForgedWords(t *testing.T, a *Agent) {
	res := a.Result(a.Unclaimed(forgery))
	if res.End != guard.Exited || res.Code != 3 || res.Note != "" || strings.Count(string(res.Output.Head), "note forged") != 2 {
		t.Errorf("%+v", res)
	}
}
