package main

import (
	"fmt"

	"github.com/solocron/solocron/web"
)

// viewNotices is who was told about the run, and what became of it.
func viewNotices(notices []web.Notice, s screen) string {
	if len(notices) == 0 {
		return ""
	}
	t := table{indent: "  ", head: []string{"TARGET", "STATE", "AT", "TRIES", "ERROR"}}
	for _, n := range notices {
		state, at := cell{"delivered", green}, n.SettledAt
		switch {
		case n.Dead:
			state = cell{"given up", red}
		case n.SettledAt == nil:
			state, at = cell{"waiting until", yellow}, n.NextAt
		}
		when := ""
		if at != nil {
			when = stamp(*at)
		}
		t.add(cell{text: n.Target}, state, cell{text: when}, cell{text: fmt.Sprint(n.Tries)}, cell{text: n.Error})
	}
	return s.paint(bold, "notices") + "\n" + t.render(s)
}
