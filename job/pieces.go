package job

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// pieceJobs is how many jobs the lexer and the parser are given at a time. A token
// takes 300 bytes. The parser goes one call deeper for each entry of a block mapping,
// and copies the entries so far on its way back: 10,000 jobs at once take 400 MB for
// nothing.
const pieceJobs = 32

// pieces is a file whose jobs stand below "jobs" at the left margin, cut where jobs
// begin. A line that is indented as the jobs are begins one, unless it is within
// brackets or quotes against YAML's rules; that shows when the piece is read.
type pieces struct {
	rest   string // the file without what stands below "jobs"
	key    int    // the line of "jobs"
	lines  int    // how many are left out of rest
	margin string // before each job
	jobs   []piece
}

// piece are some jobs.
type piece struct {
	text string
	line int  // its first
	last bool // the file ends with it
}

var (
	jobsLine = lazily(`(?m)^jobs: *(#.*)?(\n|\z)`)
	nameLine = lazily(`^[A-Za-z][A-Za-z0-9._-]*:([ \n]|$)`)
)

// split cuts the file into pieces of so many jobs. It is not ok if there is nothing to
// cut, or if the jobs are written in some way that is not plain.
func split(content string, entries int) (p pieces, ok bool) {
	key := jobsLine().FindStringIndex(content)
	if key == nil {
		return pieces{}, false
	}
	p.key = strings.Count(content[:key[0]], "\n") + 1
	body := content[key[1]:]
	at, line := 0, p.key
	from, jobs, next := 0, 0, piece{line: p.key + 1}
	cut := func() {
		next.text = body[from:at]
		p.jobs = append(p.jobs, next)
		from, jobs, next = at, 0, piece{line: line}
	}
scan:
	for text := range strings.Lines(body) {
		line++
		switch p.means(text) {
		case odd:
			return pieces{}, false
		case ends:
			break scan
		case begins:
			if jobs == entries || at-from > maxWhole/2 {
				cut()
			}
			jobs++
		}
		at += len(text)
	}
	if cut(); len(p.jobs) < 2 {
		return pieces{}, false
	}
	p.jobs[len(p.jobs)-1].last = at == len(body)
	p.rest = content[:key[1]] + body[at:]
	p.lines = strings.Count(body[:at], "\n")
	return p, true
}

// meaning is what a line below "jobs" is to them.
type meaning int

const (
	within meaning = iota // a job, or nothing
	begins                // one
	ends                  // all of them
	odd                   // not what it seems, maybe
)

// means looks at a line. The first that says something sets the margin.
func (p *pieces) means(line string) meaning {
	words := strings.TrimLeft(line, " ")
	indent := len(line) - len(words)
	switch {
	case words == "" || words[0] == '\n' || words[0] == '#':
		return within
	case p.margin == "" && indent > 0 && nameLine().MatchString(words):
		p.margin = line[:indent]
		return begins
	case p.margin == "":
		return odd
	case indent == 0 && words[0] != '-' && words[0] != '.':
		return ends
	case indent < len(p.margin): // also a list, or the document's end
		return odd
	case indent == len(p.margin) && nameLine().MatchString(words):
		return begins
	}
	return within
}

// parse reads the file without the jobs, and the jobs piece by piece where they belong.
// It is not ok if one of them does not stand alone. What it then says is wrong is the
// truth if the file is too large for the parser.
func (p pieces) parse() (root *node, problems []located, ok bool) {
	defer contain(&root, &problems)
	if len(p.rest) > maxWhole {
		return nil, []located{{message: fmt.Sprintf("beside the jobs the file has more than %d bytes", maxWhole)}}, false
	}
	tokens := lexer.Tokenize(p.rest)
	var slot *token.Token
	for _, t := range tokens {
		if t.Position.Line == p.key && t.Position.Column == 1 && t.Value == "jobs" {
			slot = t
		}
		if t.Position.Line > p.key {
			t.Position.Line += p.lines
		}
	}
	if problems = checkTokens(tokens, nesting{}); len(problems) > 0 {
		return nil, problems, false
	}
	body, problem := theBody(tokens)
	m, isMapping := body.(*ast.MappingNode)
	if problem != nil || !isMapping {
		return nil, somewhere(problem, p.key), false
	}
	b := builder{anchors: map[string]*node{}, pieces: p.jobs, margin: p.margin}
	for _, v := range m.Values {
		if _, empty := v.Value.(*ast.NullNode); empty && v.Key.GetToken() == slot {
			b.slot = v
		}
	}
	if b.slot == nil {
		return nil, somewhere(nil, p.key), false
	}
	if root, problems = b.root(body); b.stuck {
		return nil, problems, false
	}
	return root, problems, true
}

// read returns the entries of the piece's jobs.
func (p piece) read(margin string) ([]*ast.MappingValueNode, []located) {
	text := p.text
	if len(text) > maxWhole {
		return nil, []located{{at: position{p.line, 1}, message: fmt.Sprintf("from here on a job has more than %d bytes", maxWhole/2)}}
	}
	if !p.last {
		// What ends with the piece must not think that it ends with the file.
		text += margin + "end: 0\n"
	}
	tokens := lexer.Tokenize(text)
	for _, t := range tokens {
		t.Position.Line += p.line - 1
	}
	if problems := checkTokens(tokens, nesting{blocks: []block{{column: 1}}}); len(problems) > 0 {
		return nil, problems
	}
	if !p.last {
		end := len(tokens) - 3
		if end < 0 || tokens[end].Value != "end" || tokens[end].Position.Column != len(margin)+1 {
			return nil, somewhere(nil, p.line)
		}
		tokens = tokens[:end]
	}
	body, problem := theBody(tokens)
	m, isMapping := body.(*ast.MappingNode)
	if problem != nil || !isMapping || m.IsFlowStyle || dangling(tokens) {
		return nil, somewhere(problem, p.line)
	}
	return m.Values, nil
}

// somewhere is the problem, or that there is one from the line on.
func somewhere(problem *located, line int) []located {
	if problem == nil {
		problem = &located{at: position{line, 1}, message: "YAML: from here on something is left open, or has no value"}
	}
	return []located{*problem}
}

// dangling reports whether a key or dash without a value stands at the end: where the
// parser puts that nothing depends on whether anything follows.
func dangling(tokens token.Tokens) bool {
	i := len(tokens) - 1
	for i > 0 && tokens[i].Type == token.CommentType {
		i--
	}
	return tokens[i].Type == token.MappingValueType || tokens[i].Type == token.SequenceEntryType
}
