package modeltest

import (
	"cmp"
	"slices"

	"github.com/solocron/solocron/run"
)

// Protection is one thing that the start of a command relies on.
type Protection string

// The protections.
const (
	RunDirectory  Protection = "run directory"        // mkdir: a second delivery on the host stops
	Durable       Protection = "durable directory"    // the run directory survives a restart of the host
	BootCheck     Protection = "boot check"           // after a restart, no go in the directory is not a proof
	EOFRefuses    Protection = "end of input refuses" // a guard whose input ends before go never starts
	GoOnce        Protection = "one word in go"       // the directory's go is written once: the guard's, or a denial
	WriteThenSend Protection = "write, then send"     // go is committed before it is sent
	CompareAndSet Protection = "compare-and-set"      // go is committed on the version that was read
	SameVersion   Protection = "news on its version"  // what was heard of a run is dropped if the run has moved since
	Claim         Protection = "claim"                // a one-way guard asks the register before it starts
	WriteOnce     Protection = "write-once register"  // the register keeps its first word
	TakeBack      Protection = "take-back"            // silence is answered by a word in the register, not by another host
	Signature     Protection = "signature's end"      // an order that was signed long ago can't claim
	Proof         Protection = "proof"                // a host that is silent, or was terminated, proves nothing
	EpochCheck    Protection = "epoch check"          // a scheduler notices that its ledger went back, and stops
)

// Start is the start of one run: two schedulers, two hosts, two attempts. Of
// the ledger's side it is the real [run.Step] and compare-and-set; guards, hosts
// and what lies between are modelled.
type Start struct {
	// OneWay is a start by order, as over SSM; else the scheduler talks to the
	// guard, as over SSH and on its own machine.
	OneWay bool
	// Unclaimed is the job's claim: off. A one-way guard asks nobody, and silence
	// leads nowhere.
	Unclaimed bool
	// Without are the protections that are missing.
	Without []Protection
	// Faults is how often something may go wrong, of each kind.
	Faults Faults
	// OnlyTwice looks for a second start alone, and passes over a record that is
	// wrong before it comes to that.
	OnlyTwice bool

	records *records
}

// Faults bounds what makes a model endless.
type Faults struct {
	Crashes    uint8 // of a scheduler, at any point; it comes back
	Kills      uint8 // of a guard
	Restarts   uint8 // of a host, or its end
	Duplicates uint8 // of an order on its way
	Cancels    uint8 // of the run, by a person
	Restores   uint8 // of the ledger and the register from a backup: 0 or 1
}

// Attempts is how many attempts the modelled run has.
const Attempts = 2

// deliveries is how many guards there are at a time.
const deliveries = 3

// State is everything at one moment.
type State struct {
	ledger, backup book
	saved          bool // a backup was taken
	restored       bool
	schedulers     [2]scheduler
	guards         [deliveries]guard
	dirs           [len(Hosts)][Attempts]dir
	starts         [len(Hosts)][Attempts]uint8 // how often the command was started
	down           [len(Hosts)]bool            // for good
	orders         [len(Hosts)][Attempts]uint8 // one-way: on their way
	left           Faults
}

// book is what is in the ledger, and in the claims' register.
type book struct {
	run      record
	version  uint8
	register [Attempts]uint8 // one of unclaimed, byGuard, byScheduler
}

const (
	unclaimed uint8 = iota
	byGuard
	byScheduler
)

// Init has an empty ledger.
func (m *Start) Init() State {
	if m.records == nil {
		m.records = newRecords()
	}
	s := State{left: m.Faults}
	for i := range s.schedulers {
		s.schedulers[i].guard = none
	}
	return s
}

// Next takes every step of schedulers, guards and bad luck.
func (m *Start) Next(s State, take func(Step, State)) {
	for i := range s.schedulers {
		m.scheduler(s, i, take)
	}
	for i := range s.guards {
		m.guard(s, i, take)
	}
	if m.OneWay {
		m.deliver(s, take)
	}
	m.misfortune(s, take)
}

func (m *Start) has(p Protection) bool { return !slices.Contains(m.Without, p) }

// Broken knows the promises of docs/guarantee.md.
func (m *Start) Broken(s State) string {
	started := uint8(0)
	for _, host := range s.starts {
		for _, n := range host {
			started += n
		}
	}
	if started > 1 {
		return "the command was started twice"
	}
	if m.OnlyTwice || s.ledger.run == nothing {
		return ""
	}
	return wrong(m.records.runs[s.ledger.run], s.starts, started)
}

// wrong compares the record with what happened.
func wrong(r run.Run, starts [len(Hosts)][Attempts]uint8, started uint8) string {
	underWay := 0
	for i := range r.Attempts {
		a := &r.Attempts[i]
		times := starts[hostOf(a)][a.N-1]
		switch a.State {
		case run.AttemptStarting, run.AttemptRunning:
			underWay++
		case run.AttemptNotStarted:
			if times > 0 {
				return "an attempt that is recorded as not started was started"
			}
			if a.Reason == "" {
				return "an attempt was given up without a proof"
			}
		case run.AttemptSucceeded:
			if times == 0 {
				return "a success is recorded of what never started"
			}
		}
	}
	switch {
	case underWay > 1:
		return "two attempts are under way"
	case (r.State == run.Skipped || r.State == run.Failed || r.State == run.Cancelled) && started > 0:
		return "a run that was started is recorded as one that was not"
	case r.State == run.Succeeded && started == 0:
		return "a success is recorded of what never started"
	}
	return ""
}

// Same puts schedulers and guards in an order of their own.
func (m *Start) Same(s State) State {
	was := s.guards
	place := [deliveries]uint8{0, 1, 2}
	slices.SortFunc(place[:], func(a, b uint8) int { return cmp.Compare(was[a].rank(), was[b].rank()) })
	for to, from := range place {
		s.guards[to] = was[from]
	}
	for i := range s.schedulers {
		if g := s.schedulers[i].guard; g != none {
			s.schedulers[i].guard = uint8(slices.Index(place[:], g))
		}
	}
	if s.schedulers[1].rank() < s.schedulers[0].rank() {
		s.schedulers[0], s.schedulers[1] = s.schedulers[1], s.schedulers[0]
	}
	return s
}

// Settled states are those in which the run has ended, or is lost and somebody
// was told, or the ledger went back and the schedulers have stopped and said so.
func (m *Start) Settled(s State) bool {
	if s.restored && m.has(EpochCheck) {
		return true
	}
	return s.ledger.run != nothing && !m.records.runs[s.ledger.run].State.Open()
}
