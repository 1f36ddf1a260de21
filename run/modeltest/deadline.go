package modeltest

// Deadline is a family of protocols in which a host starts the command until a
// deadline of its own clock, and the scheduler looks for another host after it.
// Time passes here, one tick at a time and never more than [horizon] ticks.
type Deadline struct {
	Rule   Rule
	Margin int8 // ticks that the scheduler waits beyond the deadline
	Skew   int8 // ticks by which a host's clock may be behind
	// Twice delivers the order twice; Restart restarts the first host once and
	// delivers again what it was at.
	Twice, Restart bool
	Directory      Directory
}

// Rule is what a host does before it starts a command, and what the scheduler
// takes for leave to try another.
type Rule uint8

// The rules.
const (
	Silence     Rule = iota // check the clock, start; no news by the deadline
	RecordFirst             // record the start, check the clock, start; no record by the deadline
	CheckFirst              // check the clock, record the start, start; no record by the deadline
	Register                // write a register before the scheduler does; no clock at all
)

// Directory is what a host remembers of an order.
type Directory uint8

// The directories.
const (
	NoDirectory Directory = iota
	Volatile              // gone after a restart
	Lasting
)

const (
	deadline = 2
	horizon  = 6
)

// Moment is a state of [Deadline].
type Moment struct {
	now       int8
	behind    [len(Hosts)]int8
	set       bool // the clocks are
	orders    [len(Hosts)]uint8
	guards    [deliveries]checker
	made      [len(Hosts)]bool
	written   uint8 // the record, or the register, of the first attempt
	heard     bool  // of the start on the first host
	elsewhere bool
	restarted bool
	starts    [len(Hosts)]uint8
}

type checker struct {
	at   uint8 // 0 if there is none, else its next thing to do, from 1
	host uint8
}

// Init has the order on its way to the first host.
func (d *Deadline) Init() Moment {
	m := Moment{orders: [len(Hosts)]uint8{1, 0}}
	if d.Twice {
		m.orders[0]++
	}
	return m
}

// Same has nothing to exchange.
func (d *Deadline) Same(m Moment) Moment { return m }

// Settled is no question here: there is no record of a result.
func (d *Deadline) Settled(Moment) bool { return true }

// Broken counts the starts.
func (d *Deadline) Broken(m Moment) string {
	if m.starts[0]+m.starts[1] > 1 {
		return "the command was started twice"
	}
	return ""
}

// Next sets the clocks first, and then lets things happen.
func (d *Deadline) Next(m Moment, take func(Step, Moment)) {
	if !m.set {
		m.set = true
		for a := range d.Skew + 1 {
			for b := range d.Skew + 1 {
				m.behind = [len(Hosts)]int8{a, b}
				take(Step{Who: "clocks", What: "are behind by as much as they may be, or less"}, m)
			}
		}
		return
	}
	if m.now < horizon {
		next := m
		next.now++
		take(Step{Who: "time", What: "passes"}, next)
	}
	d.scheduler(m, take)
	for h := range m.orders {
		for g := range m.guards {
			if m.orders[h] > 0 && m.guards[g].at == 0 {
				next := m
				next.orders[h]--
				next.guards[g] = checker{1, uint8(h)}
				take(Step{Who: "network", What: "delivers the order to {host}", Host: uint8(h)}, next)
				break
			}
		}
	}
	for g := range m.guards {
		d.guard(m, g, take)
	}
	if d.Restart && !m.restarted {
		d.restart(m, take)
	}
}

func (d *Deadline) scheduler(m Moment, take func(Step, Moment)) {
	step := Step{Who: "scheduler"}
	if m.starts[0] > 0 && !m.heard {
		next := m
		next.heard = true
		step.What = "hears of the start"
		take(step, next)
	}
	over := m.now > deadline+d.Margin
	quiet := m.written == 0
	switch d.Rule {
	case Silence:
		quiet = !m.heard
	case Register:
		over = true
	}
	if over && quiet && !m.elsewhere {
		if d.Rule == Register {
			m.written = byScheduler
		}
		m.elsewhere = true
		m.orders[1]++
		step.What = "has no news from web-1 and sends the order to web-2"
		take(step, m)
	}
}

// checks are what a guard does in turn.
var checks = map[Rule]string{Silence: "dcs", RecordFirst: "drcs", CheckFirst: "dcrs", Register: "dws"}

func (d *Deadline) guard(m Moment, i int, take func(Step, Moment)) {
	g := &m.guards[i]
	if g.at == 0 {
		return
	}
	host := g.host
	step := Step{Who: guardNames[i], Host: host}
	do := func(what string) {
		step.What = what
		take(step, m)
	}
	doing := checks[d.Rule][g.at-1]
	g.at++
	switch {
	case doing == 'd' && m.made[host] && d.Directory != NoDirectory:
		*g = checker{}
		do("finds the run directory on {host} and stops")
	case doing == 'd':
		m.made[host] = true
		do("makes the run directory on {host}")
	case doing == 'c' && host == 0 && m.now-m.behind[host] > deadline:
		*g = checker{}
		do("is too late by the clock of {host}")
	case doing == 'c':
		do("is in time by the clock of {host}")
	case doing == 'r':
		if host == 0 {
			m.written = byGuard
		}
		do("records the start on {host}")
	case doing == 'w' && host == 0 && m.written == byScheduler:
		*g = checker{}
		do("finds that the order was taken back from {host}")
	case doing == 'w':
		if host == 0 {
			m.written = byGuard
		}
		do("claims the start on {host}")
	case doing == 's':
		*g = checker{}
		m.starts[host]++
		do("starts the command on {host}")
	}
}

func (d *Deadline) restart(m Moment, take func(Step, Moment)) {
	m.restarted = true
	if !m.made[0] {
		return
	}
	for i, g := range m.guards {
		if g.at > 0 && g.host == 0 {
			m.guards[i] = checker{}
		}
	}
	m.orders[0]++
	if d.Directory == Volatile {
		m.made[0] = false
	}
	take(Step{Who: "host", What: "web-1 restarts, and its agent begins again"}, m)
}
