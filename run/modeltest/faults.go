package modeltest

import "github.com/solocron/solocron/run"

// deliver brings an order that is on its way to its host, whenever it likes.
func (m *Start) deliver(s State, take func(Step, State)) {
	for h := range s.orders {
		for n := range s.orders[h] {
			g := free(&s)
			if s.orders[h][n] == 0 || s.down[h] || g == none {
				continue
			}
			next := s
			next.orders[h][n]--
			next.guards[g] = guard{at: arrived, host: uint8(h), n: uint8(n + 1)}
			take(Step{Who: "SSM", What: "delivers the order of attempt {n} to {host}", Host: uint8(h), N: uint8(n + 1)}, next)
		}
	}
}

// misfortune is what nobody wants.
func (m *Start) misfortune(s State, take func(Step, State)) {
	if s.left.Crashes > 0 {
		for i := range s.schedulers {
			if s.schedulers[i].at != idle {
				next := s
				next.left.Crashes--
				rest(&next, i)
				take(Step{Who: names[i], What: "crashes, and comes back"}, next)
			}
		}
	}
	if s.left.Kills > 0 {
		for i, g := range s.guards {
			if g.at >= prepared {
				next := s
				next.left.Kills--
				leave(&next, i)
				take(Step{Who: guardNames[i], What: "is killed on {host}", Host: g.host, N: g.n}, next)
			}
		}
	}
	if s.left.Restarts > 0 {
		for h := range s.down {
			m.restart(s, uint8(h), take)
		}
	}
	if s.left.Cancels > 0 && s.ledger.run != nothing && !(s.restored && m.has(EpochCheck)) {
		if next, ok := m.records.step(s.ledger.run, run.Cancel{Why: "by ann"}); ok {
			cancelled := s
			cancelled.left.Cancels--
			cancelled.ledger.run = next
			cancelled.ledger.version++
			take(Step{Who: "ann", What: "cancels the run"}, cancelled)
		}
	}
	if s.left.Restores > 0 {
		m.restore(s, take)
	}
}

// restart takes the host down, for a moment or for good. What the guard wrote
// last may not have reached the disk; the run directory itself has.
func (m *Start) restart(s State, host uint8, take func(Step, State)) {
	used := false
	for _, d := range s.dirs[host] {
		used = used || d.made
	}
	if s.down[host] || !used {
		return
	}
	s.left.Restarts--
	under := [Attempts]bool{}
	for i, g := range s.guards {
		if g.at != absent && g.host == host {
			under[g.n-1] = true
			leave(&s, i)
		}
	}
	ends := s
	ends.down[host] = true
	take(Step{Who: "host", What: "{host} ends for good", Host: host}, ends)
	for n := range under {
		if m.OneWay && under[n] {
			s.orders[host][n]++ // the agent begins again with what it was at
		}
	}
	forgets := s
	for n := range s.dirs[host] {
		d, f := &s.dirs[host][n], &forgets.dirs[host][n]
		if !m.has(Durable) {
			*d, *f = dir{}, dir{}
			continue
		}
		d.old, f.old = d.made, d.made
		f.word, f.result = noWord, noResult
	}
	take(Step{Who: "host", What: "{host} restarts", Host: host}, s)
	if forgets != s {
		take(Step{Who: "host", What: "{host} restarts without what was not synced", Host: host}, forgets)
	}
}

// restore takes a backup at some time and brings it back at another. By then
// the signatures of all orders on their way have expired.
func (m *Start) restore(s State, take func(Step, State)) {
	if !s.saved {
		s.saved, s.backup = true, s.ledger
		take(Step{Who: "ledger", What: "is backed up"}, s)
		return
	}
	if s.ledger == s.backup {
		return
	}
	s.left.Restores--
	s.restored, s.ledger, s.backup = true, s.backup, book{}
	if m.OneWay && m.has(Signature) {
		s.orders = [len(Hosts)][Attempts]uint8{}
		for i, g := range s.guards {
			if g.at == arrived || g.at == prepared {
				s.dirs[g.host][g.n-1].made = true
				s.dirs[g.host][g.n-1].result = resultRefused
				leave(&s, i)
			}
		}
	}
	take(Step{Who: "ledger", What: "is restored from the backup"}, s)
}
