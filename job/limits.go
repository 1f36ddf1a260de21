package job

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// Limits of a jobs file. They are far above what people write and keep a
// hostile or broken file from costing more than a moment.
const (
	MaxFileBytes = 32 << 20
	MaxJobs      = 100_000

	maxWhole = 1 << 20   // bytes that are lexed and parsed at once
	maxNodes = 1_000_000 // values, counting every use of an alias
	maxDepth = 20

	// For these the parser's time grows with the square, in what it is given at once.
	maxEntries = 20_000 // of one block mapping or list
	maxNothing = 1000   // keys and items without a value
)

// checkText finds what no part of a YAML file may hold, before the lexer sees
// it.
func checkText(data []byte) *located {
	if len(data) > MaxFileBytes {
		return &located{message: fmt.Sprintf("the file has more than %d bytes", MaxFileBytes)}
	}
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		next := byte('\n')
		if i+1 < len(data) {
			next = data[i+1]
		}
		switch {
		case r == utf8.RuneError && size == 1:
			return &located{at: position{line, column}, message: fmt.Sprintf("byte %#x is no UTF-8", data[i])}
		case r < ' ' && r != '\t' && r != '\n' && !(r == '\r' && next == '\n') || r == 0x7f:
			return &located{at: position{line, column}, message: fmt.Sprintf("control character %U", r), hint: "remove it"}
		case r == '\n':
			line, column = line+1, 0
		}
		column++
		i += size
	}
	return nil
}

// checkTokens finds what the parser had better not see: nesting that it would
// follow recursively, and what the jobs file has no use for. depth is where they stand.
func checkTokens(tokens token.Tokens, depth nesting) (problems []located) {
	nothings := 0
	for i, t := range tokens {
		problem := func(format string, args ...any) {
			problems = append(problems, located{at: tokenAt(t), message: fmt.Sprintf(format, args...)})
		}
		switch {
		case t.Error != "":
			return []located{invalid(t, t.Error)}
		case t.Type == token.TagType:
			problem("YAML tags such as %s have no meaning here", strings.TrimSpace(t.Value))
		case t.Type == token.MappingKeyType:
			problem(`YAML: write "key: value" instead of "? key"`)
		case depth.after(tokens, i) > maxDepth:
			problem("nested more than %d deep", maxDepth)
			return problems
		case depth.entries() > maxEntries:
			problem("more than %d entries in one mapping or list", maxEntries)
			return problems
		case leadsNowhere(tokens, i):
			if nothings++; nothings > maxNothing {
				problem("more than %d keys or items without a value", maxNothing)
				return problems
			}
		}
	}
	return problems
}

// nesting counts how deep the values stand in each other: brackets, and the
// columns of block keys and dashes.
type nesting struct {
	brackets int
	blocks   []block
}

// block is a block mapping or list.
type block struct{ column, entries int }

// entries is how many entries the innermost block has so far.
func (d *nesting) entries() int {
	if len(d.blocks) == 0 {
		return 0
	}
	return d.blocks[len(d.blocks)-1].entries
}

func (d *nesting) after(tokens token.Tokens, i int) int {
	switch t := tokens[i]; t.Type {
	case token.SequenceStartType, token.MappingStartType:
		d.brackets++
	case token.SequenceEndType, token.MappingEndType:
		d.brackets = max(d.brackets-1, 0)
	case token.SequenceEntryType, token.MappingValueType:
		if d.brackets > 0 {
			break
		}
		column := blockColumn(tokens, i)
		for len(d.blocks) > 0 && d.blocks[len(d.blocks)-1].column > column {
			d.blocks = d.blocks[:len(d.blocks)-1]
		}
		if len(d.blocks) == 0 || d.blocks[len(d.blocks)-1].column < column {
			d.blocks = append(d.blocks, block{column: column})
		}
		d.blocks[len(d.blocks)-1].entries++
	}
	return d.brackets + len(d.blocks)
}

// blockColumn is where the entry with this dash or colon begins.
func blockColumn(tokens token.Tokens, i int) int {
	if tokens[i].Type == token.MappingValueType && i > 0 {
		i--
	}
	return tokens[i].Position.Column
}

// leadsNowhere reports whether no value follows a dash or a colon.
func leadsNowhere(tokens token.Tokens, i int) bool {
	t := tokens[i]
	if t.Type != token.SequenceEntryType && t.Type != token.MappingValueType {
		return false
	}
	next := i + 1
	for next < len(tokens) && tokens[next].Type == token.CommentType {
		next++
	}
	if next == len(tokens) {
		return true
	}
	n, column := tokens[next], blockColumn(tokens, i)
	switch {
	case n.Type == token.CollectEntryType || n.Type == token.SequenceEndType || n.Type == token.MappingEndType:
		return true
	case n.Position.Line == t.Position.Line:
		return false
	case n.Type == token.SequenceEntryType && t.Type == token.MappingValueType:
		return n.Position.Column < column // dashes may stand right below their key
	}
	return n.Position.Column <= column
}
