package job

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// builder turns the parser's tree into nodes.
type builder struct {
	anchors  map[string]*node
	bomb     position // where the size limit was passed
	problems []located

	slot   *ast.MappingValueNode // whose value are the pieces, if it is set
	pieces []piece
	margin string // before each job of a piece
	stuck  bool   // a piece could not be read
}

// root builds the file's root.
func (b *builder) root(body ast.Node) (*node, []located) {
	root := b.build(body, "the file", position{})
	if root.size > maxNodes {
		return nil, []located{{at: b.bomb, message: fmt.Sprintf("more than %d values, counting every use of an alias", maxNodes)}}
	}
	return root, b.problems
}

func (b *builder) problem(at position, format string, args ...any) {
	b.problems = append(b.problems, located{at: at, message: fmt.Sprintf(format, args...)})
}

func (b *builder) build(from ast.Node, key string, keyAt position) *node {
	n := b.value(from, key, keyAt)
	n.key, n.keyAt = key, keyAt
	if n.size > maxNodes && b.bomb.line == 0 {
		b.bomb = n.at
	}
	return n
}

func (b *builder) value(from ast.Node, key string, keyAt position) *node {
	n := &node{kind: broken, at: at(from), size: 1}
	switch from := from.(type) {
	case *ast.NullNode:
		n.kind = nothing
	case *ast.BoolNode:
		n.kind, n.text = boolean, from.Token.Value
	case *ast.IntegerNode:
		n.kind, n.text = whole, from.Token.Value
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text = fraction, from.GetToken().Value
	case *ast.StringNode:
		n.kind, n.text = text, from.Value
	case *ast.LiteralNode:
		n.kind, n.text = text, from.Value.Value
	case *ast.SequenceNode:
		b.list(n, from, key)
	case *ast.MappingNode:
		if !from.IsFlowStyle && len(from.Values) > 0 {
			n.at = at(from.Values[0].Key)
		}
		b.mapping(n, from.Values)
	case *ast.AnchorNode:
		return b.anchor(from, key, keyAt)
	case *ast.AliasNode:
		return b.alias(from)
	default:
		b.problem(n.at, "YAML: a jobs file can't hold this (%s)", from.Type())
	}
	return n
}

func (b *builder) list(n *node, from *ast.SequenceNode, key string) {
	n.kind = list
	for _, value := range from.Values {
		item := b.build(value, key, position{})
		n.items = append(n.items, item)
		n.grow(item)
	}
}

// grow keeps the count of nodes, which aliases can double with every line,
// from overflowing.
func (n *node) grow(by *node) { n.size = min(n.size+by.size, maxNodes+1) }

func (b *builder) anchor(from *ast.AnchorNode, key string, keyAt position) *node {
	n := b.build(from.Value, key, keyAt)
	b.anchors[from.Name.String()] = n
	return n
}

// alias returns a copy of the anchored node that stands at the alias; what is
// below it is shared and keeps its position.
func (b *builder) alias(from *ast.AliasNode) *node {
	name := from.Value.String()
	anchored, ok := b.anchors[name]
	if !ok {
		b.problem(at(from), "alias *%s has no anchor &%s before it", name, name)
		return &node{kind: broken, at: at(from), size: 1}
	}
	n := *anchored
	n.at = at(from)
	return &n
}

// mapping reads the entries.
func (b *builder) mapping(n *node, values []*ast.MappingValueNode) {
	m := b.begin(n)
	m.add(values)
	m.end()
}

// jobs reads the entries of all pieces.
func (b *builder) jobs(keyAt position) *node {
	n := &node{key: "jobs", keyAt: keyAt, size: 1}
	m := b.begin(n)
	for _, p := range b.pieces {
		values, problems := p.read(b.margin)
		if b.stuck = len(problems) > 0; b.stuck {
			b.problems = append(b.problems, problems...)
			break
		}
		if n.at.line == 0 {
			n.at = at(values[0].Key)
		}
		if m.add(values); n.size > maxNodes {
			b.bomb = at(values[0].Key)
			break
		}
	}
	m.end()
	return n
}

// gathering are the entries of a mapping while they are read. A key of the mapping
// itself goes before a merged one, an earlier merged one before a later.
type gathering struct {
	b      *builder
	into   *node
	line   map[string]int
	merged []*node
}

func (b *builder) begin(n *node) *gathering {
	n.kind = mapping
	return &gathering{b: b, into: n, line: map[string]int{}}
}

// add reads some of the entries.
func (g *gathering) add(values []*ast.MappingValueNode) {
	for _, v := range values {
		key, keyAt := v.Key.GetToken().Value, at(v.Key)
		if v.Key.IsMergeKey() {
			g.merged = append(g.merged, g.b.build(v.Value, "<<", keyAt))
			continue
		}
		if !g.b.plainKey(v.Key) {
			continue
		}
		var value *node
		if v == g.b.slot {
			value = g.b.jobs(keyAt)
		} else {
			value = g.b.build(v.Value, key, keyAt)
		}
		g.into.grow(value)
		if first, dup := g.line[key]; dup {
			g.b.problem(keyAt, "%q is there already, on line %d", key, first)
			continue
		}
		g.line[key] = keyAt.line
		g.into.entries = append(g.into.entries, entry{key, value})
	}
}

// end adds what merge keys bring in.
func (g *gathering) end() {
	for _, m := range g.merged {
		g.b.merge(g.into, m, g.line)
	}
}

func (b *builder) plainKey(key ast.MapKeyNode) bool {
	switch key.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return true
	}
	b.problem(at(key), "YAML: a key has to be plain text")
	return false
}

func (b *builder) merge(into, from *node, seen map[string]int) {
	switch from.kind {
	case list:
		for _, item := range from.items {
			if item.kind == list {
				b.problem(item.at, "<<: want a mapping or a list of mappings, got a list in a list")
				continue
			}
			b.merge(into, item, seen)
		}
	case broken:
	case mapping:
		for _, e := range from.entries {
			if _, own := seen[e.key]; !own {
				seen[e.key] = e.value.keyAt.line
				into.entries = append(into.entries, e)
				into.grow(e.value)
			}
		}
	default:
		b.problem(from.at, "<<: want a mapping or a list of mappings, got %s", from.kind)
	}
}
