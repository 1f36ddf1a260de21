package modeltest

// guard is one delivery of an order on a host.
type guard struct {
	at      phase
	host, n uint8
	input   input
}

type phase uint8

const (
	absent    phase = iota
	arrived         // has the order
	duplicate       // found the run directory there; to be said
	prepared        // the run directory is there: it is ready, or asks
	claimed         // one-way: the register let it pass
	going           // go is in the run directory
	running         // the command was started
)

type input uint8

const (
	open input = iota
	hasGo
	ended
)

// dir is an attempt's run directory.
type dir struct {
	made   bool
	old    bool // it was there before the host's last restart
	word   word // in the file go
	result result
}

type word uint8

const (
	noWord word = iota
	goWord
	revoked
)

type result uint8

const (
	noResult result = iota
	resultRefused
	resultEnded
)

func (g guard) rank() uint32 {
	return uint32(g.at)<<24 | uint32(g.host)<<16 | uint32(g.n)<<8 | uint32(g.input)
}

var guardNames = [...]string{"guard 1", "guard 2", "guard 3"}

func free(s *State) uint8 {
	for i := range s.guards {
		if s.guards[i].at == absent {
			return uint8(i)
		}
	}
	return none
}

func hangUp(g *guard) {
	switch {
	case g.at == duplicate:
		*g = guard{}
	case g.at != absent && g.input == open:
		g.input = ended
	}
}

// leave ends a guard. Whoever talks to it finds out.
func leave(s *State, i int) {
	s.guards[i] = guard{}
	for j := range s.schedulers {
		if s.schedulers[j].guard == uint8(i) {
			s.schedulers[j].guard = none
		}
	}
}

func (m *Start) guard(s State, i int, take func(Step, State)) {
	g := &s.guards[i]
	if g.at == absent {
		return
	}
	step := Step{Who: guardNames[i], Host: g.host, N: g.n}
	do := func(what string, next State) {
		step := step
		step.What = what
		take(step, next)
	}
	d := &s.dirs[g.host][g.n-1]
	switch g.at {
	case arrived:
		m.prepare(s, i, do)
	case prepared:
		if m.OneWay {
			m.ask(s, i, do)
		} else {
			m.awaitGo(s, i, do)
		}
	case claimed:
		m.begin(s, i, do)
	case going:
		g.at = running
		s.starts[g.host][g.n-1]++
		do("starts the command on {host}", s)
	case running:
		d.result = resultEnded
		leave(&s, i)
		do("writes the result of attempt {n} on {host}", s)
	}
}

// prepare makes the run directory.
func (m *Start) prepare(s State, i int, do func(string, State)) {
	g := &s.guards[i]
	d := &s.dirs[g.host][g.n-1]
	switch {
	case d.made && m.has(RunDirectory) && (m.OneWay || g.input == ended):
		leave(&s, i)
		do("finds the run directory of attempt {n} on {host} and stops", s)
	case d.made && m.has(RunDirectory):
		g.at = duplicate
		do("finds the run directory of attempt {n} on {host} and says so", s)
	case d.made:
		g.at = prepared
		do("is ready on {host}, where attempt {n} was before", s)
	default:
		d.made, g.at = true, prepared
		do("makes the run directory of attempt {n} on {host}", s)
	}
}

// awaitGo waits for go, the end of input, or long enough.
func (m *Start) awaitGo(s State, i int, do func(string, State)) {
	if s.guards[i].input == ended && !m.has(EOFRefuses) {
		m.begin(s, i, do)
		return
	}
	if s.guards[i].input == hasGo {
		m.begin(s, i, do)
	}
	ended := s.guards[i].input == ended
	if refuse(&s, i) || ended {
		leave(&s, i)
		do("is given no go and refuses attempt {n} on {host} for good", s)
	}
}

// refuse denies the attempt its go. If go was given already, only a guard whose
// input has ended writes a result in spite of it.
func refuse(s *State, i int) bool {
	g := s.guards[i]
	d := &s.dirs[g.host][g.n-1]
	first := d.word == noWord
	if first {
		d.word = revoked
	}
	if first || g.input == ended {
		d.result = resultRefused
	}
	return first
}

// begin makes go the guard's own.
func (m *Start) begin(s State, i int, do func(string, State)) {
	g := &s.guards[i]
	d := &s.dirs[g.host][g.n-1]
	if d.word == noWord || d.word == revoked && !m.has(GoOnce) || d.word == goWord && !m.has(RunDirectory) && m.OneWay {
		d.word, g.at = goWord, going
		do("takes go for attempt {n} on {host}", s)
		return
	}
	d.result = resultRefused
	leave(&s, i)
	do("finds that attempt {n} was stopped, and refuses", s)
}

// ask puts the claim to the register. Its answer may be lost; asking again is
// answered the same.
func (m *Start) ask(s State, i int, do func(string, State)) {
	next := s
	g := next.guards[i]
	next.dirs[g.host][g.n-1].result = resultRefused
	leave(&next, i)
	do("finds attempt {n} on {host} too late, by its clock or the signature's, and refuses", next)
	word := &s.ledger.register[g.n-1]
	switch {
	case !m.has(Claim) || m.Unclaimed:
		s.guards[i].at = claimed
		do("asks nobody about attempt {n} on {host}", s)
	case *word != byScheduler || !m.has(WriteOnce):
		*word = byGuard
		do("claims attempt {n}, and the answer is lost", s)
		s.guards[i].at = claimed
		do("claims attempt {n}", s)
	default:
		do("finds that attempt {n} was taken back, and refuses", next)
	}
}

// stop denies an attempt its go for good and ends its guard, which lives.
func (m *Start) stop(s *State, host, n uint8) {
	d := &s.dirs[host][n-1]
	d.word, d.result = revoked, resultRefused
	for i, g := range s.guards {
		if g.host == host && g.n == n && (g.at == prepared || g.at == claimed) {
			leave(s, i)
		}
	}
}

// conclude is the host's answer about an attempt, as guard/sh/ask.sh comes to
// it; zero if there is none yet. An attempt whose guard is dead is settled by it.
func (m *Start) conclude(s *State, host, n uint8) news {
	d := &s.dirs[host][n-1]
	alive := false
	for _, g := range s.guards {
		alive = alive || g.host == host && g.n == n && g.at >= prepared
	}
	switch {
	case d.result == resultEnded:
		return succeeded
	case d.result == resultRefused:
		return refused
	case !d.made:
		return gone
	case alive && d.word == noWord && !m.has(GoOnce):
		return refused
	case alive:
		return 0
	case d.word == noWord && (!d.old || !m.has(BootCheck)):
		d.word, d.result = revoked, resultRefused
		return refused
	case d.word == revoked:
		d.result = resultRefused
		return refused
	}
	return gone
}
