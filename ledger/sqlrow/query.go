package sqlrow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/solocron/solocron/ledger"
	"github.com/solocron/solocron/run"
)

// selectRuns writes the query as one SELECT per state, each of which walks an
// index in the order asked for, merged: so a limit is reached without sorting,
// however many runs there are.
func selectRuns(q ledger.Query) Stmt {
	states := slices.Compact(slices.Sorted(slices.Values(q.States)))
	if q.Job != "" && len(states) == 0 {
		states = run.States // lets (job, state, due) serve lists of a whole job too
	}
	var s Stmt
	arg := func(v any) string {
		s.Args = append(s.Args, v)
		return fmt.Sprintf("$%d", len(s.Args))
	}
	common := ""
	where := func(column, op string, v any) { common += " AND " + column + op + arg(v) }
	if q.Job != "" {
		where("job", " = ", q.Job)
	}
	if q.Owner != "" {
		where("owner", " = ", q.Owner)
	}
	if !q.Since.IsZero() {
		where("due", " >= ", q.Since.UnixMilli())
	}
	if !q.Until.IsZero() {
		where("due", " < ", q.Until.UnixMilli())
	}

	const from = "SELECT due, id, body FROM solocron.runs WHERE "
	selects := []string{from + "TRUE" + common}
	if len(states) > 0 {
		selects = nil
		for _, state := range states {
			selects = append(selects, from+"state = "+arg(string(state))+common)
		}
	}
	s.SQL = strings.Join(selects, "\nUNION ALL ") + "\nORDER BY due DESC, id"
	if q.Limit > 0 {
		s.SQL += " LIMIT " + arg(int64(q.Limit))
	}
	return s
}
