package template

import "bytes"

const (
	width = 120     // how long a line may be for a value to stay on it
	prose = 4 << 10 // how long a list of texts has to be to stay on one after all
)

// indent spreads compact JSON over lines where it is longer than one. The line
// break goes before what belongs to the value's own level.
//
// The guard's script stays on one line: with the indentation of hundreds of
// lines the template would not fit, and nobody reads it here.
func indent(w *bytes.Buffer, compact []byte, step, lineBreak string) {
	nested := compact[0] == '{' || compact[0] == '['
	if !nested || len(compact)+len(lineBreak) <= width || compact[0] == '[' && compact[1] == '"' && len(compact) > prose {
		w.Write(compact)
		return
	}
	deeper := lineBreak + step
	w.WriteByte(compact[0])
	for i, member := range members(compact) {
		if i > 0 {
			w.WriteByte(',')
		}
		w.WriteString(deeper)
		if compact[0] == '{' {
			end := 1 + stringEnd(member[1:])
			w.Write(member[:end])
			w.WriteString(": ")
			member = member[end+1:]
		}
		indent(w, member, step, deeper)
	}
	w.WriteString(lineBreak)
	w.WriteByte(compact[len(compact)-1])
}

// members are the elements of a compact array, or the "key":value of an object.
func members(compact []byte) (all [][]byte) {
	from, depth := 1, 0
	for i := 1; i < len(compact)-1; i++ {
		switch compact[i] {
		case '"':
			i += stringEnd(compact[i+1:])
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				all = append(all, compact[from:i])
				from = i + 1
			}
		}
	}
	return append(all, compact[from:len(compact)-1])
}

// stringEnd is where a string ends whose first quote was read: behind the last.
func stringEnd(rest []byte) int {
	for i := 0; ; i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}
