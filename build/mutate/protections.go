package main

// protection is something without which the promise does not hold: a piece of
// code, what stands there when it is gone, and the tests that have to miss it.
type protection struct {
	name     string
	file     string
	old, new string
	suite    []string // arguments of go test
}

var protections = []protection{
	{
		"the run directory stops a second delivery (shell guard)", "guard/sh/start.sh",
		`why=$(mkdir "$runs/$o_name" 2>&1) || {`, `why=$(mkdir -p "$runs/$o_name" 2>&1) || {`,
		[]string{"-run", "TestReboot|TestOneway", "./guard"},
	},
	{
		"the run directory stops a second delivery (native guard)", "executor/keeper/rundir.go",
		`if err := os.Mkdir(dir, 0o700); errors.Is(err, fs.ErrExist) {`, `if err := os.MkdirAll(dir, 0o700); errors.Is(err, fs.ErrExist) {`,
		[]string{"-run", "TestContract", "./executor/keeper"},
	},
	{
		"the run directory outlives a reboot", "guard/sh/start.sh",
		`[ -z "$o_alone" ] || ! fleeting || refuse "$why"`, `:`,
		[]string{"-run", "TestVolatile|TestOneway", "./guard"},
	},
	{
		"the end of input is no go", "guard/sh/start.sh",
		`if [ "$word $token" != "go $o_token" ]; then`, `if [ "$word" = other ]; then`,
		[]string{"-run", "TestContract", "./guard"},
	},
	{
		"go names the attempt's token", "guard/sh/start.sh",
		`if [ "$word $token" != "go $o_token" ]; then`, `if [ "$word" != go ]; then`,
		[]string{"-run", "TestContract", "./guard"},
	},
	{
		"a guard on its own asks before it starts", "guard/sh/claim.sh",
		"permit() {\n\tverdict=''\n\tif [ -n \"$o_url\" ]; then", "permit() {\n\tverdict=''\n\tif false; then",
		[]string{"-run", "TestOneway", "./guard"},
	},
	{
		"a guard on its own refuses what comes too late", "guard/sh/claim.sh",
		`[ "$(date +%s)" -le "$o_startby" ] && return`, `return`,
		[]string{"-run", "TestOneway", "./guard"},
	},
	{
		"one run per due time", "ledger/sqlrow/decide.go",
		"case c.Run.Version == 0:\n\t\treturn", "case c.Run.Version == 0:\n\t\treturn nil\n\tcase c.Run.Version < 0:\n\t\treturn",
		[]string{"-run", "TestLedger", "./ledger/sqliteledger"},
	},
	{
		"a file that was touched is read through", "ledger/sqliteledger/closed.go",
		`bytes.Equal(was[:n], now)`, `len(bytes.TrimSpace(was[:n])) > 0`,
		[]string{"-run", "TestDamaged", "./ledger/sqliteledger"},
	},
	{
		"a run is changed only as it stands", "ledger/sqlrow/decide.go",
		`case c.Run.Version != old.Version:`, `case c.Run.Version > old.Version:`,
		[]string{"-run", "TestLedger/current_version", "./ledger/sqliteledger"},
	},
	{
		"a run is changed only as it stands (DynamoDB)", "ledger/dynamoledger/run.go",
		`e.ask(attrVersion, number(v.run.Version))`, `_ = e`,
		[]string{"-run", "TestLedger/current_version", "./ledger/dynamoledger"},
	},
	{
		"go follows a starting attempt alone", "run/step.go",
		`case s.State != Starting || s.Attempt().N != e.N:`, `case s.Attempt() == nil:`,
		[]string{"./run"},
	},
	{
		"a late run does not start", "run/step.go",
		"case s.Late(s.now):\n\t\treturn nil, s.not(", "case false:\n\t\treturn nil, s.not(",
		[]string{"./run"},
	},
	{
		"a prepared run starts when it is due, not before", "dispatch/send.go",
		"prepared && tries > 0 &&", "false &&",
		[]string{"-run", "TestPrepared", "./dispatch"},
	},
	{
		"a prepared attempt is what would be started now", "dispatch/send.go",
		"if prepared && !d.startable(ctx, r, *host) {", "if false {",
		[]string{"-run", "TestPrepared", "./dispatch"},
	},
	{
		"a host is asked for a sign of life before a go that waited", "dispatch/prepare.go",
		"if patient, ok := d.Executor.(executor.Patient); ok {", "if patient, ok := d.Executor.(executor.Patient); ok && false {",
		[]string{"-run", "TestPrepared", "./dispatch"},
	},
	{
		"a run that is due takes the slot back from one that is not", "dispatch/overlap.go",
		"case early && h.State == run.Starting:", "case false:",
		[]string{"-run", "TestRunNow", "./dispatch"},
	},
	{
		"the claim is written once", "executor/ssmexec/claims.go",
		`aws.String("attribute_not_exists(#by)")`, `aws.String("attribute_not_exists(#by) OR attribute_exists(#by)")`,
		[]string{"-run", "TestFaultsAloneAndInPairs", "./e2e/awssim"},
	},
	{
		"an order is taken back in the register before another host is tried", "executor/ssmexec/follow.go",
		`said, err := e.claims.takeBack(ctx, a, why)`, `said, err := word{by: byScheduler, why: why}, error(nil)`,
		[]string{"-run", "TestFaultsAloneAndInPairs", "./e2e/awssim"},
	},
	{
		"go is in the ledger before an order leaves", "executor/ssmexec/start.go",
		`if err := grant(ctx); err != nil {`, `if err := context.Cause(ctx); err != nil {`,
		[]string{"-run", "TestStart", "./executor/ssmexec"},
	},
	{
		"the sweep finds due times that no timer delivered", "dispatch/stepwise.go",
		`expected := d.expectAll(ctx)`, `var expected error`,
		[]string{"-run", "TestClockOfItsOwn", "./dispatch"},
	},
	{
		"what has not started when its job is removed never does", "dispatch/drive.go",
		`if d.isRetired(r.Job) && !rerun(r) {`, `if false {`,
		[]string{"-run", "TestRetired", "./dispatch"},
	},
	{
		"an edited job's old timers start nothing of their own", "dispatch/stepwise.go",
		`if spec == "" || due.After(k.Since) {`, `if spec == "" {`,
		[]string{"-run", "TestEdit", "./dispatch"},
	},
	{
		"a deployment that somebody else overtook is refused", "ledger/ledger.go",
		`return s.From == nil || *s.From == current || s.Hash == current`, `return s.From == nil || current == current`,
		[]string{"-run", "TestLedger", "./ledger/memledger"},
	},
	{
		"a lost answer is no proof that nothing was sent", "executor/ssmexec/send.go",
		"case kind == unknown:\n\t\t\treturn e.orphan(ctx, h, o.Attempt, began, err)", "case kind == unknown:\n\t\t\treturn \"\", refusal(api)",
		[]string{"-run", "TestFaultsAloneAndInPairs", "./e2e/awssim"},
	},
	{
		"one run of a job at a time", "ledger/sqlrow/decide.go",
		`if c.Slot.Op == ledger.SlotTake && slot.Holder != ""`, `if c.Slot.Op == ledger.SlotTake && slot.Holder == "nobody"`,
		[]string{"-run", "TestLedger", "./ledger/sqliteledger"},
	},
	{
		"every start has a higher fencing number", "ledger/sqlrow/decide.go",
		`return Slot{Holder: id, Fence: s.Fence + 1}`, `return Slot{Holder: id, Fence: s.Fence}`,
		[]string{"-run", "TestLedger", "./ledger/sqliteledger"},
	},
	{
		"what came due before its schedule was edited is not forgotten", "dispatch/plan.go",
		`late = append(late, ledger.Change{Run: r})`, `_ = r`,
		[]string{"-run", "TestFault12", "./dispatch"},
	},
	{
		"a scheduler whose run was taken over sends no go", "dispatch/send.go",
		`if err == nil && (granted.State != run.Running || granted.Owner != d.owner) {`, `if false {`,
		[]string{"-run", "TestAnything", "./dispatch"},
	},
	{
		"a ledger that went back is told by its beats", "ledger/mark.go",
		`case m.Beats < seen.Beats:`, `case m.Beats < 0:`,
		[]string{"-run", "TestLedgerWentBack|TestSeenBefore", "./dispatch"},
	},
	{
		"another ledger in the place of the one that was seen is refused", "ledger/mark.go",
		`case m.Ledger != seen.Ledger:`, `case m.Ledger == "":`,
		[]string{"-run", "TestSeenBefore", "./dispatch"},
	},
	{
		"an old ledger is refused at the start, before it is written to", "dispatch/plan.go",
		`if err := d.check(ctx); err != nil {`, `if err := ctx.Err(); err != nil {`,
		[]string{"-run", "TestSeenBefore", "./dispatch"},
	},
	{
		"a machine remembers how far the ledger had come", "ledger/lastseen/lastseen.go",
		`err = os.Rename(temp.Name(), f.path)`, `err = os.Remove(temp.Name())`,
		[]string{"./ledger/lastseen"},
	},
	{
		"a machine remembers each beat of the ledger", "ledger/lastseen/lastseen.go",
		`file.WriteAt(body, 0)`, `file.WriteAt(nil, 0)`,
		[]string{"./ledger/lastseen"},
	},
	{
		"a run that is adopted while it is driven is carried on", "dispatch/driving.go",
		`driven.adopted = true`, `driven.adopted = false`,
		[]string{"-run", "TestSweepAdopts", "./dispatch"},
	},
	{
		"who has halted starts nothing more", "dispatch/epoch.go",
		`return d.halted`, `return nil`,
		[]string{"-run", "TestLedgerWentBack", "./dispatch"},
	},
	{
		"one that halts halts the others", "dispatch/epoch.go",
		`if err := d.Ledger.Halt(ctx, why); err != nil && ctx.Err() == nil {`, `if err := ctx.Err(); err != nil && why == "" {`,
		[]string{"-run", "TestLedgerWentBack", "./dispatch"},
	},
	{
		"it does so at once", "dispatch/epoch.go",
		`	all.Go(func() { d.recordHalt(ctx) })`, `	all.Go(func() { _ = d.recordHalt })`,
		[]string{"-run", "TestHaltIsRecordedAtOnce", "./dispatch"},
	},
	{
		"PostgreSQL must still have what it acknowledged last", "ledger/pgledger/pg.go",
		`if nonces := l.acks.nonces(); len(nonces) > 0 {`, `if nonces := l.acks.nonces(); len(nonces) < 0 {`,
		[]string{"-run", "TestLostWrite", "./ledger/pgledger"},
	},
	{
		"what the ledger forgot is not started again", "run/step.go",
		`s.Cancel = cmp.Or(s.Cancel, e.Reason)`, `s.Reason = cmp.Or(e.Reason, s.Reason)`,
		[]string{"-run", "TestForgotten", "./run"},
	},
}
