package fleet_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/solocron/solocron/fleet"
)

// at is the n-th minute of some day; 0 is no time at all.
func at(n int) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Date(2026, 3, 29, 0, n, 0, 0, time.UTC)
}

func TestChoose(t *testing.T) {
	type cs = []fleet.Candidate
	for name, c := range map[string]struct {
		strategy   fleet.Strategy
		candidates cs
		want       string
		reasons    []string // by host ID
	}{
		"first": {fleet.First, cs{{Host: "b"}, {Host: "a"}}, "a",
			[]string{"chosen: first by name", "passed over: later by name"}},
		"first that fits": {fleet.First, cs{{Host: "a", Refused: "unreachable"}, {Host: "b"}}, "b",
			[]string{"unreachable", "chosen: first by name"}},
		"random with one": {fleet.Random, cs{{Host: "a"}, {Host: "b", Refused: "no"}}, "a",
			[]string{"chosen: drawn at random", "no"}},

		"turn begins": {fleet.RoundRobin, cs{{Host: "a"}, {Host: "b"}}, "a",
			[]string{"chosen: first in turn", "passed over: not next in turn"}},
		"turn goes on": {fleet.RoundRobin, cs{{Host: "a", LastStart: at(2)}, {Host: "b", LastStart: at(1)}}, "b",
			[]string{"passed over: not next in turn", "chosen: next in turn after a"}},
		"turn wraps": {fleet.RoundRobin, cs{{Host: "a"}, {Host: "b", LastStart: at(1)}}, "a",
			[]string{"chosen: next in turn after b, from the top", "passed over: not next in turn"}},
		"turn skips the refused": {fleet.RoundRobin, cs{{Host: "a", LastStart: at(1)}, {Host: "b", Refused: "no"}, {Host: "c"}}, "c",
			[]string{"passed over: not next in turn", "no", "chosen: next in turn after a"}},
		"turn counts from a refused host": {fleet.RoundRobin, cs{{Host: "a"}, {Host: "b", Refused: "no", LastStart: at(1)}, {Host: "c"}}, "c",
			[]string{"passed over: not next in turn", "no", "chosen: next in turn after b"}},
		"turn alone": {fleet.RoundRobin, cs{{Host: "a", LastStart: at(1)}}, "a",
			[]string{"chosen: next in turn after a, from the top"}},

		"least recent": {fleet.LeastRecent, cs{{Host: "a", LastStart: at(2)}, {Host: "b", LastStart: at(1)}}, "b",
			[]string{"passed over: ran this job more recently", "chosen: ran this job least recently"}},
		"never ran counts as longest ago": {fleet.LeastRecent, cs{{Host: "a", LastStart: at(1)}, {Host: "b"}, {Host: "c"}}, "b",
			[]string{"passed over: ran this job more recently", "chosen: ran this job least recently, and first by name of 2 equals",
				"passed over: equal to b, but later by name"}},

		"least busy": {fleet.LeastBusy, cs{{Host: "a", Busy: 2}, {Host: "b", Busy: 1}, {Host: "c", Refused: "no"}}, "b",
			[]string{"passed over: busier", "chosen: least busy", "no"}},
		"equally busy": {fleet.LeastBusy, cs{{Host: "a", Busy: 1}, {Host: "b", Busy: 1}}, "a",
			[]string{"chosen: least busy, and first by name of 2 equals", "passed over: equal to a, but later by name"}},

		"oldest": {fleet.Oldest, cs{{Host: "a"}, {Host: "b", Launched: at(2)}, {Host: "c", Launched: at(1)}}, "c",
			[]string{"passed over: launched later, or nobody knows when", "passed over: launched later, or nobody knows when", "chosen: launched first"}},
		"newest": {fleet.Newest, cs{{Host: "a"}, {Host: "b", Launched: at(1)}, {Host: "c", Launched: at(2)}}, "c",
			[]string{"passed over: launched earlier, or nobody knows when", "passed over: launched earlier, or nobody knows when", "chosen: launched last"}},
		"oldest of unknown age": {fleet.Oldest, cs{{Host: "b"}, {Host: "a"}}, "a",
			[]string{"chosen: launched first, and first by name of 2 equals", "passed over: equal to a, but later by name"}},
		"newest, tie": {fleet.Newest, cs{{Host: "a", Launched: at(1)}, {Host: "b", Launched: at(2)}, {Host: "c", Launched: at(2)}}, "b",
			[]string{"passed over: launched earlier, or nobody knows when", "chosen: launched last, and first by name of 2 equals",
				"passed over: equal to b, but later by name"}},

		"sticky": {fleet.Sticky, cs{{Host: "a", LastStart: at(1)}, {Host: "b", LastStart: at(2)}}, "b",
			[]string{"passed over: not the host that ran this job last", "chosen: ran this job last"}},
		"sticky lost its host": {fleet.Sticky, cs{{Host: "a", LastStart: at(1)}, {Host: "b", LastStart: at(2), Refused: "no"}}, "a",
			[]string{"chosen: drawn, since b, which ran this job last, can't be picked", "no"}},
		"sticky begins": {fleet.Sticky, cs{{Host: "a"}}, "a",
			[]string{"chosen: drawn, since no candidate ran this job before"}},

		"preferred": {fleet.Prefer, cs{{Host: "a"}, {Host: "b", Preferred: true}}, "b",
			[]string{"passed over: not preferred", "chosen: drawn from the preferred"}},
		"preferred refused": {fleet.Prefer, cs{{Host: "a"}, {Host: "b", Preferred: true, Refused: "no"}}, "a",
			[]string{"chosen: drawn, since no preferred host can be picked", "no"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := fleet.Pick{Strategy: c.strategy, Seed: "job@1", Candidates: c.candidates}
			if err := p.Choose(); err != nil || p.Chosen != c.want {
				t.Fatalf("chosen %q, %v; want %q", p.Chosen, err, c.want)
			}
			var reasons []string
			for _, c := range p.Candidates {
				reasons = append(reasons, c.Reason)
			}
			if diff := cmp.Diff(c.reasons, reasons); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChooseFindsNobody(t *testing.T) {
	for name, c := range map[string]struct {
		refused []string
		want    string
	}{
		"empty fleet": {nil, "no host: the fleet is empty"},
		"one":         {[]string{"unreachable"}, "no host: 1 unreachable"},
		"counted, most first, then by words": {
			[]string{"tried", "unreachable", "has no tag cron", "unreachable"},
			"no host: 2 unreachable, 1 has no tag cron, 1 tried"},
	} {
		t.Run(name, func(t *testing.T) {
			p := fleet.Pick{Strategy: fleet.Random, Chosen: "from an earlier time"}
			for i, reason := range c.refused {
				p.Candidates = append(p.Candidates, fleet.Candidate{Host: fmt.Sprint(i), Refused: reason})
			}
			err := p.Choose()
			if !errors.Is(err, fleet.ErrNoHost) || err.Error() != c.want || p.Chosen != "" {
				t.Errorf("Choose = %v, chosen %q; want %s", err, p.Chosen, c.want)
			}
			for _, c := range p.Candidates {
				if c.Reason != c.Refused {
					t.Errorf("%s: reason %q, want %q", c.Host, c.Reason, c.Refused)
				}
			}
		})
	}
}

func TestChooseRefusesUnknownStrategy(t *testing.T) {
	for _, s := range []fleet.Strategy{"", "lucky"} {
		p := fleet.Pick{Strategy: s, Candidates: []fleet.Candidate{{Host: "a"}}, Chosen: "a"}
		if err := p.Choose(); err == nil || errors.Is(err, fleet.ErrNoHost) || p.Chosen != "" {
			t.Errorf("strategy %q: %v, chosen %q; want an error of its own", s, err, p.Chosen)
		}
	}
}

// The records of old picks must replay on every later release, so the draw
// itself is part of the format.
func TestDrawIsForever(t *testing.T) {
	p := fleet.Pick{Strategy: fleet.Random}
	for i := range 10 {
		p.Candidates = append(p.Candidates, fleet.Candidate{Host: fmt.Sprint("h", i)})
	}
	for seed, want := range map[string]string{"": "h2", "nightly@20261122T023000Z/1": "h6", "nightly@20261122T023000Z/2": "h9"} {
		p.Seed = seed
		if err := p.Choose(); err != nil || p.Chosen != want {
			t.Errorf("seed %q: %s, %v; want %s", seed, p.Chosen, err, want)
		}
	}
}

// With 5 hosts and 10,000 draws, each host's share has a standard deviation of
// 40; the seeds are fixed, so this can't fail by chance.
func TestRandomIsEven(t *testing.T) {
	for _, strategy := range []fleet.Strategy{fleet.Random, fleet.Sticky, fleet.Prefer} {
		count := map[string]int{}
		for i := range 10_000 {
			p := fleet.Pick{Strategy: strategy, Seed: fmt.Sprintf("job@%d/1", i)}
			for _, id := range []string{"a", "b", "c", "d", "e"} {
				p.Candidates = append(p.Candidates, fleet.Candidate{Host: id})
			}
			if err := p.Choose(); err != nil {
				t.Fatal(err)
			}
			count[p.Chosen]++
		}
		for id, n := range count {
			if n < 1840 || n > 2160 {
				t.Errorf("%s: host %s was drawn %d times of 10,000, want about 2,000", strategy, id, n)
			}
		}
		if len(count) != 5 {
			t.Errorf("%s: only %d hosts of 5 were ever drawn", strategy, len(count))
		}
	}
}

func TestRoundRobinVisitsEverybody(t *testing.T) {
	last := map[string]time.Time{}
	var order string
	for i := range 7 {
		p := fleet.Pick{Strategy: fleet.RoundRobin}
		for _, id := range []string{"c", "a", "b"} {
			p.Candidates = append(p.Candidates, fleet.Candidate{Host: id, LastStart: last[id]})
		}
		if err := p.Choose(); err != nil {
			t.Fatal(err)
		}
		order += p.Chosen
		last[p.Chosen] = at(i + 1)
	}
	if order != "abcabca" {
		t.Errorf("order %s, want abcabca", order)
	}
}

func picks() *rapid.Generator[fleet.Pick] {
	times := rapid.Custom(func(t *rapid.T) time.Time {
		n := rapid.Int64Range(0, 3).Draw(t, "n")
		if n == 0 {
			return time.Time{}
		}
		return time.Unix(n, rapid.Int64Range(0, 2).Draw(t, "ns")).In(time.FixedZone("east", 3600))
	})
	candidate := rapid.Custom(func(t *rapid.T) fleet.Candidate {
		return fleet.Candidate{
			Host:      rapid.StringMatching(`[a-z0-9-]{1,6}`).Draw(t, "host"),
			Refused:   rapid.SampledFrom([]string{"", "", "unreachable", "tried"}).Draw(t, "refused"),
			Launched:  times.Draw(t, "launched"),
			LastStart: times.Draw(t, "last start"),
			Busy:      rapid.IntRange(0, 3).Draw(t, "busy"),
			Preferred: rapid.Bool().Draw(t, "preferred"),
		}
	})
	return rapid.Custom(func(t *rapid.T) fleet.Pick {
		return fleet.Pick{
			Strategy: rapid.SampledFrom(fleet.Strategies).Draw(t, "strategy"),
			Seed:     rapid.String().Draw(t, "seed"),
			Candidates: rapid.SliceOfNDistinct(candidate, 0, 6,
				func(c fleet.Candidate) string { return c.Host }).Draw(t, "candidates"),
		}
	})
}

func TestRecordedPickReplays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := picks().Draw(t, "pick")
		firstErr := first.Choose()
		record, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}

		var replay fleet.Pick
		if err := json.Unmarshal(record, &replay); err != nil {
			t.Fatal(err)
		}
		replay.Chosen = ""
		for i := range replay.Candidates {
			replay.Candidates[i].Reason = ""
		}
		replay.Candidates = rapid.Permutation(replay.Candidates).Draw(t, "order")
		replayErr := replay.Choose()

		if fmt.Sprint(replayErr) != fmt.Sprint(firstErr) {
			t.Fatalf("error %v, at first %v", replayErr, firstErr)
		}
		again, err := json.Marshal(replay)
		if err != nil {
			t.Fatal(err)
		}
		if len(first.Candidates) > 0 && string(again) != string(record) {
			t.Fatalf("replay differs\nfirst  %s\nreplay %s", record, again)
		}
	})
}

func TestChosenHostFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := picks().Draw(t, "pick")
		err := p.Choose()
		chosen := 0
		for _, c := range p.Candidates {
			if c.Reason == "" {
				t.Fatalf("host %s has no reason", c.Host)
			}
			if c.Host == p.Chosen {
				chosen++
				if c.Refused != "" {
					t.Fatalf("chose %s, which was refused: %s", c.Host, c.Refused)
				}
			}
		}
		if chosen != 1 && err == nil || chosen != 0 && err != nil {
			t.Fatalf("%d hosts chosen, error %v", chosen, err)
		}
	})
}
