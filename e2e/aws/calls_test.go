package aws_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/run"
)

// A due time costs at most eight calls of AWS, from a cold function and from a
// warm one; its end is counted apart.
func TestCallsForADueTime(t *testing.T) {
	a := newAccount(t, nil)
	a.host(cron)
	a.host(cron)
	knobs := a.loop.Knobs()
	knobs.Events.Drop.P = 1 // no hints: the test tells of the end itself
	a.loop.SetKnobs(knobs)
	a.jobs(`
jobs:
  plain:
    schedule: "* * * * * *"
    hosts: {cron: "true"}
    start-within: 1h
    command: echo $SOLOCRON_RUN_ID >>WITNESS
`)
	for i, name := range []string{"cold", "warm"} {
		at := time.Now().UTC().Truncate(time.Second).Add(time.Duration(i) * time.Second)
		a.loop.ResetCalls()
		a.invoke(due("plain", at))
		calls := a.calls("due time, " + name)
		if calls > 8 {
			t.Errorf("%s: %d calls", name, calls)
		}
		a.eventually(func() bool { return len(a.saw()) == i+1 }, func() string { return fmt.Sprintf("%+v", a.run(run.ID("plain", at))) })
		id := run.ID("plain", at)
		hint := a.hint(id)
		a.loop.ResetCalls()
		a.invoke(hint)
		if calls := a.calls("its end, " + name); calls > 6 {
			t.Errorf("the end, %s: %d calls", name, calls)
		}
		if r := a.run(id); r.State != run.Succeeded {
			t.Errorf("%+v", r)
		}
	}
}

// calls is how many calls were made, but for the host's own claim.
func (a *account) calls(what string) int {
	a.t.Helper()
	total := 0
	var all []string
	calls := a.loop.Calls()
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		if !strings.HasPrefix(name, "lambda.") {
			total += calls[name]
			all = append(all, fmt.Sprintf("%d %s", calls[name], name))
		}
	}
	a.t.Logf("%s: %d calls: %s", what, total, strings.Join(all, ", "))
	return total
}

// The function's zip has less than 10 MB.
func TestZip(t *testing.T) {
	t.Parallel()
	program, err := os.Open(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	w, err := z.Create("bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, program); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the zip has %.1f MB", float64(b.Len())/1e6)
	if b.Len() > 10e6 {
		t.Errorf("%d bytes", b.Len())
	}
}

// BenchmarkInit is how long the function takes from the start of its process
// to its first call of the Runtime API, the median of 20.
func BenchmarkInit(b *testing.B) {
	a := newAccount(b, nil)
	for b.Loop() {
		for range 20 {
			a.function.Recycle()
			if _, fault, err := a.function.Invoke(b.Context(), []byte(`{"rawPath":"/none"}`)); err != nil || fault != "" {
				b.Fatal(err, fault)
			}
		}
	}
	inits := a.function.Inits()
	slices.Sort(inits)
	b.ReportMetric(float64(inits[len(inits)/2].Microseconds())/1000, "ms/init")
	b.ReportMetric(0, "ns/op")
}
