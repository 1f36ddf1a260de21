package modeltest

import "github.com/solocron/solocron/run"

// scheduler is one of the schedulers: where it is, and what it knows. It may
// stand still anywhere for as long as it likes.
type scheduler struct {
	at      stage
	run     record // as it was read
	version uint8
	guard   uint8 // the guard that it talks to
	news    news
}

const none uint8 = 255

type stage uint8

const (
	idle     stage = iota
	informed       // has read the ledger
	waiting        // two-way: has brought the order, waits for ready
	ready          // two-way: has heard ready
	granted        // go is committed, and to be sent
	ahead          // go was sent and is to be committed: without WriteThenSend
	heard          // has news to write
)

// news is what a scheduler has heard of an attempt.
type news uint8

const (
	refused   news = iota + 1 // it never starts
	noGo                      // the connection ended before go
	succeeded                 // it ended
	gone                      // the host has nothing to say of it any more
	delivered                 // an earlier delivery of the order is on the host
)

func (s scheduler) rank() uint64 {
	return uint64(s.at)<<40 | uint64(s.run)<<24 | uint64(s.version)<<16 | uint64(s.guard)<<8 | uint64(s.news)
}

var names = [...]string{"scheduler A", "scheduler B"}

func (m *Start) scheduler(s State, i int, take func(Step, State)) {
	if s.restored && m.has(EpochCheck) {
		return
	}
	me := &s.schedulers[i]
	step := Step{Who: names[i]}
	if me.at != idle && me.run != nothing && len(m.records.runs[me.run].Attempts) > 0 {
		step.Host, step.N = m.records.attempt(me.run)
	}
	do := func(what string, next State) {
		step := step
		step.What = what
		take(step, next)
	}
	switch me.at {
	case idle:
		if r := m.records.runs[s.ledger.run]; s.ledger.run == nothing || !r.State.Final() {
			me.at, me.run, me.version = informed, s.ledger.run, s.ledger.version
			do("reads the ledger", s)
		}
	case informed:
		m.informed(s, i, step, take)
	case waiting:
		m.waiting(s, i, do)
	case ready:
		m.grant(s, i, do)
	case granted:
		m.send(s, i, do)
	case ahead:
		m.write(&s, i, run.Go{N: int(step.N)}, !m.has(CompareAndSet))
		rest(&s, i)
		do("commits the go that it has sent", s)
	case heard:
		m.record(s, i, step, do)
	}
}

// write steps the run that was read and stores it, if the ledger still has it.
func (m *Start) write(s *State, i int, e run.Event, blind bool) bool {
	me := &s.schedulers[i]
	next, ok := m.records.step(me.run, e)
	if !ok || !blind && me.version != s.ledger.version {
		return false
	}
	s.ledger.run = next
	s.ledger.version++
	me.run, me.version = next, s.ledger.version
	return true
}

// rest ends what a scheduler does. What it was connected to sees the end of its
// input.
func rest(s *State, i int) {
	if g := s.schedulers[i].guard; g != none {
		hangUp(&s.guards[g])
	}
	s.schedulers[i] = scheduler{guard: none}
}

// informed does what the run that was read calls for.
func (m *Start) informed(s State, i int, step Step, take func(Step, State)) {
	me := s.schedulers[i]
	do := func(what string, next State) {
		step := step
		step.What = what
		take(step, next)
	}
	state := run.Planned
	if me.run != nothing {
		state = m.records.runs[me.run].State
	}
	switch state {
	case run.Planned:
		m.intend(s, i, step.Who, take)
	case run.Starting:
		m.starting(s, i, step, do)
	case run.Running, run.Lost:
		m.follow(s, i, step, state == run.Running, do)
	}
}

func (m *Start) intend(s State, i int, who string, take func(Step, State)) {
	tried := len(m.records.runs[s.schedulers[i].run].Attempts)
	for again := range Hosts {
		if again > 0 && s.ledger.run == nothing && !s.restored {
			break // which host is the first makes no difference
		}
		h := (tried + again) % len(Hosts)
		next := s
		if tried == Attempts || !m.write(&next, i, run.Intend{Host: Hosts[h]}, false) {
			break
		}
		rest(&next, i)
		_, n := m.records.attempt(next.ledger.run)
		take(Step{Who: who, What: "records the intent to start attempt {n} on {host}", Host: uint8(h), N: n}, next)
	}
	next := s
	if m.write(&next, i, run.Skip{Reason: run.ReasonNoHost}, false) {
		rest(&next, i)
		take(Step{Who: who, What: "finds no host in time and records that the run is skipped"}, next)
		return
	}
	rest(&s, i)
	take(Step{Who: who, What: "finds that another was faster"}, s)
}

// starting sends the order of an attempt, or takes it back because it was
// another's.
func (m *Start) starting(s State, i int, step Step, do func(string, State)) {
	next := s
	won := m.write(&next, i, run.Refused{N: int(step.N), Proof: "its scheduler ended before it gave go", Revoked: true}, false)
	rest(&next, i)
	if won {
		do("takes attempt {n} back in the ledger, as no go was committed", next)
	} else {
		do("finds that another was faster", next)
	}
	if m.OneWay {
		m.grant(s, i, do)
		return
	}
	g := free(&s)
	if g == none || s.down[step.Host] {
		return
	}
	s.guards[g] = guard{at: arrived, host: step.Host, n: step.N}
	s.schedulers[i].at, s.schedulers[i].guard = waiting, g
	do("brings the order of attempt {n} to {host}", s)
}

// waiting hears what the guard says to the order, or breaks off.
func (m *Start) waiting(s State, i int, do func(string, State)) {
	g := s.schedulers[i].guard
	next := s
	rest(&next, i)
	next.schedulers[i] = s.schedulers[i]
	next.schedulers[i].at, next.schedulers[i].news, next.schedulers[i].guard = heard, noGo, none
	do("hears nothing from {host} and hangs up", next)
	if g == none {
		return
	}
	switch me := &s.schedulers[i]; s.guards[g].at {
	case prepared:
		me.at = ready
		do("hears that the guard on {host} is ready", s)
	case duplicate:
		host, n := s.guards[g].host, s.guards[g].n
		s.guards[g] = guard{}
		me.at, me.guard, me.news = heard, none, delivered
		if m.conclude(&s, host, n) == refused {
			s.schedulers[i].news = refused
		}
		do("hears that {host} has attempt {n} already", s)
	}
}

// grant commits go. Two-way the guard stands ready; one-way the order leaves
// afterwards.
func (m *Start) grant(s State, i int, do func(string, State)) {
	_, n := m.records.attempt(s.schedulers[i].run)
	if !m.has(WriteThenSend) {
		m.sendFirst(s, i, do)
		return
	}
	if m.write(&s, i, run.Go{N: int(n)}, !m.has(CompareAndSet)) {
		s.schedulers[i].at = granted
		do("commits go for attempt {n}", s)
		return
	}
	rest(&s, i)
	do("can't commit go: another was faster", s)
}

func (m *Start) sendFirst(s State, i int, do func(string, State)) {
	me := &s.schedulers[i]
	host, n := m.records.attempt(me.run)
	me.at = ahead
	switch {
	case m.OneWay:
		s.orders[host][n-1]++
	case me.guard != none:
		s.guards[me.guard].input = hasGo
		me.guard = none
	}
	do("sends go for attempt {n} to {host}, and has not committed it", s)
}

// send sends what was granted.
func (m *Start) send(s State, i int, do func(string, State)) {
	me := &s.schedulers[i]
	host, n := m.records.attempt(me.run)
	if !m.OneWay {
		if me.guard != none {
			s.guards[me.guard].input = hasGo
			me.guard = none
		}
		rest(&s, i)
		do("sends go to {host}", s)
		return
	}
	next := s
	next.schedulers[i].at, next.schedulers[i].news = heard, refused
	do("hears that SendCommand was rejected", next)
	s.orders[host][n-1]++
	rest(&s, i)
	do("has SSM carry the order of attempt {n} to {host}; the answer may be lost", s)
	if s.left.Duplicates > 0 {
		s.left.Duplicates--
		s.orders[host][n-1]++
		do("has SSM carry the order of attempt {n} to {host}, which does it twice", s)
	}
}

// follow asks what became of an attempt that may be running.
func (m *Start) follow(s State, i int, step Step, running bool, do func(string, State)) {
	host, n := step.Host, step.N
	hear := func(s State, what string, n news) {
		s.schedulers[i].at, s.schedulers[i].news = heard, n
		do(what, s)
	}
	if running {
		hear(s, "has waited for attempt {n} as long as it may", gone)
	}
	if !m.has(Proof) && running && (!m.OneWay || s.down[host]) {
		hear(s, "takes the silence of {host} for a proof", refused)
	}
	if m.OneWay && !m.Unclaimed {
		word := &s.ledger.register[n-1]
		switch {
		case *word == byScheduler:
			hear(s, "reads that attempt {n} was taken back", refused)
			return
		case *word == unclaimed && !m.has(TakeBack):
			hear(s, "finds attempt {n} unclaimed and lets it be", refused)
			return
		case *word == unclaimed || !m.has(WriteOnce):
			next := s
			next.ledger.register[n-1] = byScheduler
			hear(next, "takes attempt {n} back in the register", refused)
			if *word == unclaimed {
				return
			}
		}
	}
	if s.down[host] {
		return
	}
	said := m.conclude(&s, host, n)
	if said == 0 && s.dirs[host][n-1].word == noWord && m.records.runs[s.schedulers[i].run].Cancel != "" {
		next := s
		m.stop(&next, host, n)
		hear(next, "stops attempt {n} on {host} before its go", refused)
	}
	switch said {
	case refused:
		hear(s, "hears from {host} that attempt {n} never starts", refused)
	case succeeded:
		hear(s, "hears from {host} that attempt {n} has ended", succeeded)
	case gone:
		if running {
			hear(s, "hears that {host} knows nothing of attempt {n} any more", gone)
		}
	}
}

// record writes what was heard.
func (m *Start) record(s State, i int, step Step, do func(string, State)) {
	n := int(step.N)
	var e run.Event
	what := ""
	switch s.schedulers[i].news {
	case refused:
		e, what = run.Refused{N: n, Proof: "it never starts"}, "records that attempt {n} never started"
	case noGo:
		e, what = run.Refused{N: n, Proof: "no go was given"}, "records that attempt {n} never started, as no go was given"
	case succeeded:
		e, what = run.Ended{N: n, As: run.Succeeded, EndedAt: due}, "records the result of attempt {n}"
	case gone:
		e, what = run.Vanished{N: n, Reason: "its host does not tell"}, "records that attempt {n} is lost"
	case delivered:
		e, what = run.Go{N: n}, "records that attempt {n} may be running"
	}
	if me := &s.schedulers[i]; !m.has(SameVersion) {
		me.run, me.version = s.ledger.run, s.ledger.version
	}
	if !m.write(&s, i, e, false) {
		what = "finds that another was faster"
	}
	rest(&s, i)
	do(what, s)
}
