package main

import (
	"strings"

	"github.com/solocron/solocron/run"
)

// table lines cells up in columns.
type table struct {
	indent string
	cut    bool // the last column ends where the screen does
	head   []string
	rows   [][]cell
}

type cell struct {
	text string
	ink  ink
}

// ink is how a cell is colored: the parameters of the terminal's SGR sequence.
type ink string

const (
	noInk   ink = ""
	bold    ink = "1"
	faint   ink = "2"
	red     ink = "31"
	green   ink = "32"
	yellow  ink = "33"
	magenta ink = "1;35"
	cyan    ink = "36"
)

var stateInk = map[run.State]ink{
	run.Planned: faint, run.Starting: cyan, run.Running: cyan,
	run.Skipped: yellow, run.Succeeded: green, run.Failed: red,
	run.TimedOut: red, run.Cancelled: yellow, run.Lost: magenta,
}

func stateCell(s run.State) cell { return cell{string(s), stateInk[s]} }

// row makes cells without color.
func row(texts ...string) []cell {
	cells := make([]cell, len(texts))
	for i, text := range texts {
		cells[i].text = text
	}
	return cells
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// render is the whole table. Cells can't break it, whatever they hold.
func (t *table) render(s screen) string {
	lines := t.rows
	if len(t.head) > 0 {
		head := row(t.head...)
		for i := range head {
			head[i].ink = bold
		}
		lines = append([][]cell{head}, lines...)
	}
	var widths []int
	for _, cells := range lines {
		for i := range cells {
			cells[i].text = sanitize(cells[i].text)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(cells[i].text))
		}
	}
	var b strings.Builder
	for _, cells := range lines {
		b.WriteString(t.line(s, cells, widths))
		b.WriteByte('\n')
	}
	return b.String()
}

// line ends with its last cell that holds something.
func (t *table) line(s screen, cells []cell, widths []int) string {
	const gap = "  "
	line, used, owed := t.indent, len(t.indent), 0
	for i, c := range cells {
		if t.cut && s.width > 0 && i == len(widths)-1 {
			c.text = clip(c.text, max(s.width-used, 10))
		}
		if c.text != "" {
			line += strings.Repeat(" ", owed) + s.paint(c.ink, c.text)
			owed = 0
		}
		owed += widths[i] - columns(c.text) + len(gap)
		used += widths[i] + len(gap)
	}
	return line
}
