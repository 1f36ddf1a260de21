package job

import "strings"

// A secret stands in the file as a reference: env:NAME for a variable of the
// scheduler's environment, file:PATH for a file beside it. A message about one
// shows neither the value nor the rest of its line.
const reference = `env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00-\x1f\x7f]+`

// secret is a reference and nothing else.
var secret = concealed("env:NAME or file:PATH", `^(`+reference+`)$`, "put the value into a file or a variable, so that it does not stand here")

// orSecret is text of a pattern, or a reference.
func orSecret(want, pattern string) shape[string] {
	return concealed(want, `^(`+reference+`|`+pattern+`)$`, "")
}

func concealed(want, pattern, hint string) shape[string] {
	re := lazily(pattern)
	return shape[string]{kind: anything, want: want, schema: schema{"type": "string", "pattern": pattern},
		read: func(d *decoder, n *node, into *string) {
			if n.kind != text || !re().MatchString(n.text) {
				d.conceal(n, hint, n.key+": want "+want)
				return
			}
			*into = n.text
			if path, isFile := strings.CutPrefix(n.text, "file:"); isFile {
				*into = "file:" + d.path(path)
			}
		}}
}

// conceal reports a problem without the value that it is about.
func (d *decoder) conceal(n *node, hint, message string) {
	d.report(n.at, hint, "%s", message)
	p := &d.problems[len(d.problems)-1]
	if line := []rune(p.Source); n.at.column <= len(line) {
		p.Source = string(line[:n.at.column-1]) + "…"
	}
}
