package job

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Problem is one thing that is wrong with a jobs file, and where.
type Problem struct {
	File    string
	Line    int    // from 1; 0 if the whole file is meant
	Column  int    // from 1, counted in characters
	Source  string // the line as it stands in the file
	Message string
	Hint    string // what to write instead; empty if that is not known
}

// Problems are all that is wrong with a jobs file, by position.
type Problems []Problem

// shown is how many problems Error prints.
const shown = 100

// Error prints the problems one below the other, each with its source line.
func (ps Problems) Error() string {
	var b strings.Builder
	for i, p := range ps {
		if i == shown {
			fmt.Fprintf(&b, "\nand %d more problems", len(ps)-shown)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// String is the problem with its source line and a mark below its column.
func (p Problem) String() string {
	text := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	if p.Line == 0 {
		text = fmt.Sprintf("%s: %s", p.File, p.Message)
	}
	if p.Hint != "" {
		text += "; " + p.Hint
	}
	if p.Line == 0 || strings.TrimSpace(p.Source) == "" {
		return text
	}
	number := fmt.Sprintf("%3d | ", p.Line)
	before, after := p.excerpt()
	return fmt.Sprintf("%s\n%s%s%s\n%s^", text, number, before, after, strings.Map(blank, number+before))
}

// excerpt is the source line on both sides of the column. A line too long for
// a terminal is cut around it, and control characters are made visible.
func (p Problem) excerpt() (before, after string) {
	const most = 120
	line := []rune(strings.Map(visible, p.Source))
	at := min(max(p.Column-1, 0), len(line))
	before, after = string(line[:at]), string(line[at:])
	if at > most/2 && len(line) > most {
		before = "…" + string(line[at-most/2:at])
	}
	if len(line)-at > most {
		after = string(line[at:at+most]) + "…"
	}
	return before, after
}

// blank keeps the mark below its column when the line holds tabs.
func blank(r rune) rune {
	if r == '\t' {
		return r
	}
	return ' '
}

func visible(r rune) rune {
	if r != '\t' && !unicode.IsPrint(r) {
		return unicode.ReplacementChar
	}
	return r
}

// sorted orders the problems by position and drops repeats, which come from a
// part of the file that is used twice through an alias.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(ps)
}

// didYouMean suggests the known word that is nearest to the given one, or
// nothing if none is near.
func didYouMean(word string, known []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour between a and b.
func distance(a, b string) int {
	if len(a) > len(b)+20 {
		return len(a)
	}
	older, old, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		older, old, row = old, row, older
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(old[j]+cost, old[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], older[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
