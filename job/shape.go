package job

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A shape is one kind of value in the jobs file. It is the check, the reader
// and the description at once, so that decoder and schema can't disagree.
//
// Reading goes over what into holds: keys that the file does not have keep
// their value. That is how defaults work.
type shape[T any] struct {
	kind   kind   // of the nodes that read takes
	want   string // ends the sentence "timeout: want …"
	schema schema
	read   func(d *decoder, n *node, into *T)
	// remedy is a hint for a node of another kind, or empty.
	remedy func(n *node) string
}

func (s shape[T]) decode(d *decoder, n *node, into *T) {
	switch {
	case n.kind == broken:
	case n.kind == s.kind || s.kind == anything:
		s.read(d, n, into)
	case s.remedy != nil && n.scalar():
		d.report(n.spot(), s.remedy(n), "%s: want %s, got %s", n.key, s.want, n.kind)
	default:
		d.report(n.spot(), "", "%s: want %s, got %s", n.key, s.want, n.kind)
	}
}

// then adds a check that sees the value as a whole.
func (s shape[T]) then(check func(d *decoder, n *node, v *T)) shape[T] {
	read := s.read
	s.read = func(d *decoder, n *node, into *T) {
		read(d, n, into)
		check(d, n, into)
	}
	return s
}

// part makes a shape for a whole out of the shape of its part.
func part[T, V any](s shape[V], at func(*T) *V) shape[T] {
	return shape[T]{kind: s.kind, want: s.want, schema: s.schema, remedy: s.remedy,
		read: func(d *decoder, n *node, into *T) { s.read(d, n, at(into)) }}
}

// either takes the first shape that fits the node's kind.
func either[T any](want string, shapes ...shape[T]) shape[T] {
	var schemas []schema
	for _, s := range shapes {
		schemas = append(schemas, s.schema)
	}
	return shape[T]{want: want, schema: schema{"anyOf": schemas}, read: func(d *decoder, n *node, into *T) {
		for _, s := range shapes {
			if n.kind == s.kind {
				s.read(d, n, into)
				return
			}
		}
		d.report(n.spot(), "", "%s: want %s, got %s", n.key, want, n.kind)
	}}
}

// parsed is text with a meaning. An error of parse is reported at the text.
func parsed[T any](want string, s schema, parse func(string) (T, error)) shape[T] {
	s = s.with("type", "string")
	return shape[T]{kind: text, want: want, schema: s, read: func(d *decoder, n *node, into *T) {
		v, err := parse(n.text)
		switch {
		case errors.Is(err, errPassword):
			d.conceal(n, "", fmt.Sprintf("%s: %v", n.key, err))
		case err != nil:
			d.report(n.at, "", "%s: %v", n.key, err)
		default:
			*into = v
		}
	}}
}

// matching is text of one pattern, which the schema has too.
func matching(want, pattern string) shape[string] {
	re := lazily(pattern)
	return parsed(want, schema{"pattern": pattern}, func(s string) (string, error) {
		if !re().MatchString(s) {
			return "", wantGot(want, s)
		}
		return s, nil
	})
}

// lazily compiles the pattern when it is first wanted: most runs of the program,
// a keeper's above all, read no file, and yet wait for its variables.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// oneOf is a word of a fixed list.
func oneOf[T ~string](words ...T) shape[T] {
	var known []string
	for _, w := range words {
		known = append(known, string(w))
	}
	want := known[0]
	if last := len(known) - 1; last > 0 {
		want = strings.Join(known[:last], ", ") + " or " + known[last]
	}
	return shape[T]{kind: text, want: want, schema: schema{"enum": known}, read: func(d *decoder, n *node, into *T) {
		if !slices.Contains(known, n.text) {
			d.report(n.at, didYouMean(n.text, known), "%s: want %s, got %q", n.key, want, n.text)
			return
		}
		*into = T(n.text)
	}}
}

// truth is true or false.
func truth() shape[bool] {
	return shape[bool]{kind: boolean, want: "true or false", schema: schema{"type": "boolean"},
		read: func(_ *decoder, n *node, into *bool) { *into = strings.EqualFold(n.text, "true") }}
}

// count is a whole number within bounds.
func count(least, most int) shape[int] {
	want := "a whole number from " + strconv.Itoa(least) + " to " + strconv.Itoa(most)
	return shape[int]{kind: whole, want: want, schema: schema{"type": "integer", "minimum": least, "maximum": most},
		read: func(d *decoder, n *node, into *int) {
			v, err := strconv.Atoi(n.text)
			if err != nil || v < least || v > most {
				d.report(n.at, "", "%s: want %s, got %s", n.key, want, n.text)
				return
			}
			*into = v
		}}
}

// several is a list, which replaces what was there before.
func several[T any](want string, item shape[T]) shape[[]T] {
	return shape[[]T]{kind: list, want: want, schema: schema{"type": "array", "items": item.schema},
		remedy: func(n *node) string { return "write [" + n.text + "]" },
		read: func(d *decoder, n *node, into *[]T) {
			*into = make([]T, 0, len(n.items))
			for _, it := range n.items {
				var v T
				before := len(d.problems)
				if item.decode(d, it, &v); len(d.problems) == before {
					*into = append(*into, v)
				}
			}
		}}
}

// table is a mapping from names of the user's choice, which replaces what was
// there before.
func table[M ~map[string]V, V any](want string, name shape[string], item shape[V]) shape[M] {
	return shape[M]{kind: mapping, want: want, schema: tableSchema(name.schema, item.schema),
		read: func(d *decoder, n *node, into *M) {
			*into = make(M, len(n.entries))
			for _, e := range n.entries {
				var v V
				d.name(e, name)
				item.decode(d, e.value, &v)
				(*into)[e.key] = v
			}
		}}
}

// joined is a table that keeps the names that were there before.
func joined[M ~map[string]V, V any](s shape[M]) shape[M] {
	read := s.read
	s.read = func(d *decoder, n *node, into *M) {
		before := *into
		read(d, n, into)
		added := *into
		*into = maps.Clone(before)
		if *into == nil {
			*into = M{}
		}
		maps.Copy(*into, added)
	}
	return s
}

// name checks a key of the user's choice as if it were a value.
func (d *decoder) name(e entry, s shape[string]) {
	var ignored string
	s.read(d, &node{kind: text, text: e.key, at: e.value.keyAt, key: "name"}, &ignored)
}
