package job

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// node is a value of the file with its position: YAML reduced to what the jobs
// file needs. Aliases and merge keys are resolved, so parts may be shared, and
// nobody changes a node.
type node struct {
	kind    kind
	text    string // of a scalar, without quotes
	at      position
	key     string // that the value stands under; a list's items have the list's
	keyAt   position
	items   []*node // of a list
	entries []entry // of a mapping, each key once
	size    int     // nodes below and including this one, as if none were shared
}

type entry struct {
	key   string
	value *node
}

// position is a line and a column, both from 1.
type position struct{ line, column int }

type kind string

// The kinds, as they are called in messages.
const (
	anything kind = ""          // for shapes alone
	broken   kind = "a mistake" // has its problem already
	nothing  kind = "nothing"
	boolean  kind = "a boolean"
	whole    kind = "a number"
	fraction kind = "a fraction"
	text     kind = "text"
	list     kind = "a list"
	mapping  kind = "a mapping"
)

func (n *node) scalar() bool { return n.kind != list && n.kind != mapping && n.kind != nothing }

// get returns the value under the key, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// spot is where a message about the value points: at its key, if the value
// only begins on a later line.
func (n *node) spot() position {
	if n.keyAt.line != 0 && n.keyAt.line != n.at.line {
		return n.keyAt
	}
	return n.at
}

// parse reads YAML, the jobs in pieces if they can be told apart. With problems there
// may still be a root, for more problems to be found below it.
func parse(content string) (root *node, problems []located) {
	if p, ok := split(content, pieceJobs); ok {
		root, problems, ok = p.parse()
		if ok || len(content) > maxWhole {
			return root, problems
		}
	}
	return parseWhole(content)
}

// parseWhole reads YAML all at once. What is wrong with a file shows best here.
func parseWhole(content string) (root *node, problems []located) {
	defer contain(&root, &problems)
	if len(content) > maxWhole {
		return nil, []located{{
			message: fmt.Sprintf("the file has more than %d bytes, and its jobs can't be told apart", maxWhole),
			hint:    `write "jobs:" at the left margin and the name of each job on a line below it, all indented alike and without quotes`,
		}}
	}
	tokens := lexer.Tokenize(content)
	if problems = checkTokens(tokens, nesting{}); len(problems) > 0 {
		return nil, problems
	}
	body, problem := theBody(tokens)
	switch {
	case problem != nil:
		return nil, []located{*problem}
	case body == nil:
		return nil, []located{{message: `the file is empty; it needs at least "jobs:"`}}
	}
	return (&builder{anchors: map[string]*node{}}).root(body)
}

// contain turns a panic into a problem: the parser is known to panic on some malformed
// input, which must cost no more than the file being refused.
func contain(root **node, problems *[]located) {
	if p := recover(); p != nil {
		*root, *problems = nil, []located{{message: fmt.Sprintf("this is no YAML that can be read (%v)", p)}}
	}
}

// located is a problem before it knows its file.
type located struct {
	at            position
	message, hint string
}

// theBody parses the tokens and returns the one document's body, nil if there is none.
func theBody(tokens token.Tokens) (body ast.Node, problem *located) {
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxProblem(err)
	}
	for _, doc := range file.Docs {
		if _, directive := doc.Body.(*ast.DirectiveNode); directive || doc.Body == nil {
			continue // "%YAML 1.2" comes as a document of its own
		}
		if body != nil {
			return nil, &located{at: at(doc.Body), message: "a second document begins; a jobs file holds one"}
		}
		body = doc.Body
	}
	return body, nil
}

func syntaxProblem(err error) *located {
	var syntax interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if !errors.As(err, &syntax) {
		return &located{message: "YAML: " + err.Error()}
	}
	p := invalid(syntax.GetToken(), syntax.GetMessage())
	return &p
}

// invalid reports the parser's words, which may hold the tab that they are
// about.
func invalid(t *token.Token, message string) located {
	return located{at: tokenAt(t), message: "YAML: " + strings.ReplaceAll(message, "\t", `\t`)}
}

func at(n ast.Node) position { return tokenAt(n.GetToken()) }

func tokenAt(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{}
	}
	return position{t.Position.Line, max(t.Position.Column, 1)}
}
