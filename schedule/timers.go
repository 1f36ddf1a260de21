package schedule

// Timer is one schedule of EventBridge Scheduler: an expression that it
// documents, in a zone.
type Timer struct {
	Expr string // "cron(30 2 * * ? *)" or "at(2026-12-24T18:00:00)"
	Zone string // IANA name
}

// Timers are what has to ring for the schedule.
func (s *Schedule) Timers() ([]Timer, error) { panic("not written yet") }
