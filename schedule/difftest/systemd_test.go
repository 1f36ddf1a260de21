package difftest

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// systemd is systemd-analyze calendar: a process for each batch, whose queries
// share zone, moment and count.
type systemd struct{ zoneinfo string }

func (s systemd) find(queries []query) ([][]int64, error) {
	first := queries[0]
	args := []string{"calendar", fmt.Sprintf("--base-time=@%d", first.after), fmt.Sprintf("--iterations=%d", first.count)}
	for _, q := range queries {
		args = append(args, onCalendar(q.line)...)
	}
	cmd := exec.Command("systemd-analyze", args...)
	cmd.Env = append(os.Environ(), "TZ="+first.zone.name, "TZDIR="+s.zoneinfo, "LC_ALL=C")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	said, err := cmd.Output()
	endless := err != nil && strings.Contains(complaint.String(), "Infinite loop in calendar calculation")
	switch {
	case endless && len(queries) > 1: // it says nothing of that one, and doesn't say which
		return s.findEach(queries)
	case endless && first.count > 1: // nor of the due times before
		first.count--
		return s.find([]query{first})
	case endless:
		return [][]int64{nil}, nil
	case err != nil:
		return nil, fmt.Errorf("systemd-analyze calendar: %w (Debian: systemd)\n%s", err, complaint.String())
	}
	blocks := strings.Split(string(said), "Normalized form: ")[1:]
	var dues [][]int64
	for _, q := range queries {
		n := len(onCalendar(q.line))
		if len(blocks) < n {
			return nil, fmt.Errorf("systemd-analyze calendar: %d answers too few to %s", n-len(blocks), q.line)
		}
		walk, err := readElapses(blocks[:n], q)
		if err != nil {
			return nil, err
		}
		dues, blocks = append(dues, walk), blocks[n:]
	}
	return dues, nil
}

func (s systemd) findEach(queries []query) ([][]int64, error) {
	var dues [][]int64
	for _, q := range queries {
		walk, err := s.find([]query{q})
		if err != nil {
			return nil, err
		}
		dues = append(dues, walk...)
	}
	return dues, nil
}

// onCalendar writes a line as systemd.time(7) does. Days that either field may
// name are two expressions.
func onCalendar(l line) []string {
	if l.either() {
		dates, weekdays := l, l
		dates[weekday], weekdays[date] = field{star}, field{star}
		return append(onCalendar(dates), onCalendar(weekdays)...)
	}
	spell := func(i int) string {
		var items []string
		for _, it := range l[i] {
			if !it.star || it.step > 1 {
				it = it.ranged(i)
			}
			it.named = false
			items = append(items, it.text(i, ".."))
		}
		return strings.Join(items, ",")
	}
	days := ""
	if !l[weekday].starred() || l[weekday][0].step > 1 {
		var list []string
		for v, have := range l[weekday].values(weekday) {
			if have {
				list = append(list, names[weekday][v])
			}
		}
		days = strings.Join(list, ",") + " "
	}
	return []string{fmt.Sprintf("%s*-%s-%s %s:%s:00", days, spell(month), spell(date), spell(hour), spell(minute))}
}

// readElapses unites the answers to the expressions of a line, as far as all
// of them reach.
func readElapses(blocks []string, q query) ([]int64, error) {
	var dues []int64
	end := int64(1 << 40)
	for _, block := range blocks {
		walk, err := readBlock(block, q.zone.location)
		if err != nil {
			return nil, err
		}
		if len(walk) == 0 {
			return nil, nil
		}
		end = min(end, walk[len(walk)-1])
		dues = append(dues, walk...)
	}
	slices.Sort(dues)
	dues = slices.Compact(dues)
	return slices.DeleteFunc(dues, func(due int64) bool { return due > end }), nil
}

// readBlock prefers what is said in UTC. That is missing where systemd takes
// the zone for UTC; the abbreviation then tells the two passes of a fold apart.
func readBlock(block string, location *time.Location) ([]int64, error) {
	var said []string
	for text := range strings.Lines(block) {
		label, text, _ := strings.Cut(strings.TrimSpace(text), ": ")
		switch {
		case label == "(in UTC)":
			said[len(said)-1] = text
		case label == "Next elapse" && text != "never" || strings.HasPrefix(label, "Iter. "):
			said = append(said, text)
		}
	}
	var dues []int64
	for _, text := range said {
		due, err := time.ParseInLocation("Mon 2006-01-02 15:04:05 MST", text, location)
		if err != nil {
			return nil, err
		}
		dues = append(dues, due.Unix())
	}
	return dues, nil
}
