package job

import "strings"

// field is a key of an object.
type field[T any] struct {
	key      string
	schema   schema // nil for a refused key
	required bool
	decode   func(d *decoder, n *node, into *T)
}

// key says how one key is called, what it means, what it takes and where its
// value goes.
func key[T, V any](name, doc string, s shape[V], at func(*T) *V) field[T] {
	return field[T]{key: name, schema: s.schema.with("description", doc),
		decode: func(d *decoder, n *node, into *T) { s.decode(d, n, at(into)) }}
}

// or tells the schema the default, as it would be written in the file.
func (f field[T]) or(value any) field[T] {
	f.schema = f.schema.with("default", value)
	return f
}

func (f field[T]) must() field[T] {
	f.required = true
	return f
}

// refused is a key that people try for a good reason, and why they can't.
func refused[T any](name, why string) field[T] {
	return field[T]{key: name, decode: func(d *decoder, n *node, _ *T) { d.report(n.keyAt, "", "%s: %s", name, why) }}
}

// object is a mapping with fixed keys. They are read in the order given here,
// so a key may rely on those before it.
func object[T any](want string, fields ...field[T]) shape[T] {
	var known []string
	all := map[string]bool{}
	for _, f := range fields {
		all[f.key] = true
		if f.schema != nil {
			known = append(known, f.key)
		}
	}
	read := func(d *decoder, n *node, into *T) {
		for _, e := range n.entries {
			if !all[e.key] {
				d.report(e.value.keyAt, nearKey(e.key, known), "unknown key %q", e.key)
			}
		}
		for _, f := range fields {
			switch v := n.get(f.key); {
			case v != nil:
				f.decode(d, v, into)
			case f.required:
				d.report(n.spot(), "", "%s: %s is missing", n.key, f.key)
			}
		}
	}
	return shape[T]{kind: mapping, want: want, schema: objectSchema(fields), read: read}
}

// nearKey suggests a key, or all of them if they are few.
func nearKey(key string, known []string) string {
	if hint := didYouMean(key, known); hint != "" || len(known) > 6 {
		return hint
	}
	return "known are " + strings.Join(known, ", ")
}
