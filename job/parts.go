package job

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// partEntries is how many jobs the parser is given at a time. It goes one call
// deeper for each entry of a block mapping, and copies the entries so far on its
// way back: 10,000 jobs at once take 400 MB for nothing.
const partEntries = 32

// parseTokens parses a document, the jobs in parts of so many entries. What can't
// be taken apart, or fails, is left to the parser as a whole, whose word counts.
func parseTokens(tokens token.Tokens, entries int) (*ast.File, error) {
	if jobs := findJobs(tokens); len(jobs.entries) > entries {
		if file, ok := jobs.parse(tokens, entries); ok {
			return file, nil
		}
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// jobsBlock is where the jobs stand among the tokens.
type jobsBlock struct {
	key     int   // "jobs"
	entries []int // where entries begin, in order
	end     int   // the first token behind the last entry
}

// findJobs finds the block mapping below "jobs" at the left margin. It has no
// entries if there is none, or if it is written in some way that is not plain.
func findJobs(tokens token.Tokens) (b jobsBlock) {
	b.key = -1
	brackets, column := 0, 0
	for i, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		}
		switch {
		case t.Type == token.CommentType || brackets > 0:
		case b.key < 0:
			if t.Value == "jobs" && t.Position.Column == 1 && plainKey(tokens, i) {
				b.key = i
			}
		case i == b.key+1: // its colon
		case column == 0:
			if !plainKey(tokens, i) || t.Position.Column == 1 || t.Position.Line == tokens[b.key].Position.Line {
				return jobsBlock{}
			}
			column = t.Position.Column
			b.entries = append(b.entries, i)
		case t.Position.Column < column && t.Position.Column > 1:
			return jobsBlock{}
		case t.Position.Column == 1:
			if dangling(tokens, i) {
				return jobsBlock{}
			}
			b.end = i
			return b
		case t.Position.Column == column && plainKey(tokens, i) && !dangling(tokens, i):
			b.entries = append(b.entries, i)
		}
	}
	b.end = len(tokens)
	return b
}

// plainKey reports whether a key without anchor or quotes stands here.
func plainKey(tokens token.Tokens, i int) bool {
	return tokens[i].Type == token.StringType && i+1 < len(tokens) && tokens[i+1].Type == token.MappingValueType
}

// dangling reports whether a key or dash without a value stands before the token:
// where the parser puts that nothing depends on whether anything follows.
func dangling(tokens token.Tokens, i int) bool {
	for i--; tokens[i].Type == token.CommentType; i-- {
	}
	return tokens[i].Type == token.MappingValueType || tokens[i].Type == token.SequenceEntryType
}

// parse parses the file without the jobs, then the jobs part by part, and puts
// the one into the other.
func (b jobsBlock) parse(tokens token.Tokens, entries int) (*ast.File, bool) {
	first := b.entries[0]
	rest := append(append(token.Tokens{}, tokens[:first]...), tokens[b.end:]...)
	file, _, ok := parsePart(rest)
	if !ok {
		return nil, false
	}
	at := slotOf(file, tokens[b.key])
	if at == nil {
		return nil, false
	}
	var jobs *ast.MappingNode
	for i := 0; i < len(b.entries); i += entries {
		end := b.end
		if i+entries < len(b.entries) {
			end = b.entries[i+entries]
		}
		_, part, ok := parsePart(tokens[b.entries[i]:end])
		switch {
		case !ok || part == nil:
			return nil, false
		case jobs == nil:
			jobs = part
		default:
			jobs.Values = append(jobs.Values, part.Values...)
		}
	}
	at.Value = jobs
	return file, true
}

// parsePart parses tokens and returns the mapping that they are.
func parsePart(tokens token.Tokens) (*ast.File, *ast.MappingNode, bool) {
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil || len(file.Docs) != 1 {
		return nil, nil, false
	}
	m, ok := file.Docs[0].Body.(*ast.MappingNode)
	return file, m, ok
}

// slotOf is the entry of the document whose key is the token.
func slotOf(file *ast.File, key *token.Token) *ast.MappingValueNode {
	m, ok := file.Docs[0].Body.(*ast.MappingNode)
	if !ok {
		return nil
	}
	for _, v := range m.Values {
		if v.Key.GetToken() == key {
			return v
		}
	}
	return nil
}
