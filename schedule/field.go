package schedule

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A set holds small numbers: bit i%64 of word i/64.
type set [4]uint64

func (s *set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *set) has(i int) bool { return uint(i) < 256 && s[i/64]>>(i%64)&1 != 0 }

// A field is one column of a crontab line or of AWS's cron().
type field struct {
	name     string
	min, max int
	zero     int      // the value of bit 0
	cycle    int      // how many values there are until they come round again
	names    []string // words for min, min+1 and so on
	note     string   // what else the user should know about the numbers
	aws      bool     // AWS's grammar: ranges wrap, a/n runs on to the end, no ~
}

var (
	monthNames   = strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
	weekdayNames = strings.Fields("SUN MON TUE WED THU FRI SAT")
)

var crontabFields = [...]field{
	{name: "second", max: 59, cycle: 60},
	{name: "minute", max: 59, cycle: 60},
	{name: "hour", max: 23, cycle: 24},
	{name: "day of month", min: 1, max: 31, cycle: 32},
	{name: "month", min: 1, max: 12, zero: 1, cycle: 12, names: monthNames},
	{name: "day of week", max: 7, cycle: 7, names: weekdayNames, note: " (0 and 7 are Sunday)"},
}

var awsFields = [...]field{
	{name: "minute", max: 59, cycle: 60, aws: true},
	{name: "hour", max: 23, cycle: 24, aws: true},
	{name: "day of month", min: 1, max: 31, cycle: 32, aws: true},
	{name: "month", min: 1, max: 12, zero: 1, cycle: 12, names: monthNames, aws: true},
	{name: "day of week", min: 1, max: 7, zero: 1, cycle: 7, names: weekdayNames, note: " (1 is Sunday)", aws: true},
	{name: "year", min: firstYear, max: lastYear, zero: firstYear, cycle: 256, aws: true},
}

// parse reads the field; its error names it.
func (f *field) parse(text, seed string) (set, error) {
	s, err := f.list(text, seed)
	if err != nil {
		err = f.refuse(text, err)
	}
	return s, err
}

func (f *field) refuse(text string, err error) error {
	return fmt.Errorf("%s %q: %w", f.name, text, err)
}

// list reads values, ranges and steps between commas.
func (f *field) list(text, seed string) (set, error) {
	var s set
	for item := range strings.SplitSeq(text, ",") {
		first, last, step, err := f.item(item, seed)
		if err != nil {
			return s, err
		}
		for v := first; v <= last; v += step {
			s.add((v - f.zero) % f.cycle)
		}
	}
	return s, nil
}

// item reads one element of the list. A range that wraps ends above max.
func (f *field) item(text, seed string) (first, last, step int, err error) {
	body, stepText, stepped := strings.Cut(text, "/")
	low, high, ranged := strings.Cut(body, "-")
	switch {
	case body == "*":
		first, last = f.min, f.max
	case strings.Contains(body, "~") && !f.aws:
		first, err = f.random(body, seed, stepped)
		last = first
	case ranged:
		first, last, err = f.bounds(low, high)
	default:
		first, err = f.value(body)
		last = first
		if stepped {
			last = f.max
		}
		if err == nil && stepped && !f.aws {
			err = fmt.Errorf("a step needs a range; write %d-%d/%s", first, f.max, stepText)
		}
	}
	if err != nil || !stepped {
		return first, last, 1, err
	}
	step, err = f.step(stepText)
	return first, last, step, err
}

func (f *field) bounds(low, high string) (first, last int, err error) {
	if first, err = f.value(low); err != nil {
		return 0, 0, err
	}
	if last, err = f.value(high); err != nil {
		return 0, 0, err
	}
	switch {
	case first <= last:
		return first, last, nil
	case f.aws && f.cycle == f.max-f.min+1: // not years, nor days of months that differ in length
		return first, last + f.cycle, nil
	}
	if f.min == firstYear {
		return 0, 0, fmt.Errorf("range %s-%s runs backwards; write %s-%s", low, high, high, low)
	}
	top := min(f.max, f.zero+f.cycle-1)
	return 0, 0, fmt.Errorf("range %s-%s runs backwards; write %s,%s", low, high, between(first, top), between(f.min, last))
}

// between writes a range.
func between(first, last int) string {
	if first == last {
		return strconv.Itoa(first)
	}
	return fmt.Sprintf("%d-%d", first, last)
}

// step reads what follows the slash. A step beyond the field's highest value
// would silently mean "once", which nobody writes on purpose.
func (f *field) step(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err == nil && n >= 1 && int(n) <= f.max {
		return int(n), nil
	}
	hint := ""
	if unit, ok := map[string]string{"second": "s", "minute": "m", "hour": "h"}[f.name]; ok && n > 1 && !f.aws {
		hint = fmt.Sprintf(`, or the schedule "every %d%s"`, n, unit)
	}
	return 0, fmt.Errorf("step %q: use 1-%d%s", text, f.max, hint)
}

// random reads a~b, where both ends may be missing, and picks one value.
func (f *field) random(text, seed string, stepped bool) (int, error) {
	low, high, _ := strings.Cut(text, "~")
	first, last := f.min, min(f.max, f.zero+f.cycle-1)
	if text == "~" && f.name == "day of month" {
		last = 28 // a day that every month has
	}
	var err error
	if stepped {
		err = errors.New("a ~ takes no step; write 0~59 or */15")
	}
	if err == nil && low != "" {
		first, err = f.value(low)
	}
	if err == nil && high != "" {
		last, err = f.value(high)
	}
	if err == nil && first > last {
		err = fmt.Errorf("%s runs backwards; write the lower value first", text)
	}
	if err != nil {
		return 0, err
	}
	return first + int(spread(seed+"\x00"+f.name, 0, uint64(last-first+1))), nil
}

// value reads a number or a name.
func (f *field) value(text string) (int, error) {
	if i := slices.Index(f.names, strings.ToUpper(text)); i >= 0 {
		return f.min + i, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	v := int(n)
	switch {
	case err == nil && v >= f.min && v <= f.max:
		return v, nil
	case err == nil:
		return 0, fmt.Errorf("%s is out of range; use %s", text, f.allowed())
	case text == "":
		return 0, fmt.Errorf("a value is missing; use %s", f.allowed())
	case text == "?" && !f.aws:
		return 0, errors.New("? belongs to AWS's cron(...); write * here")
	case awsOnly.MatchString(text) && !f.aws:
		return 0, fmt.Errorf("%s belongs to AWS's cron(...); write the schedule as cron(minute hour day month weekday year)", text)
	}
	for _, name := range f.names {
		if len(text) > 3 && strings.EqualFold(text[:3], name) {
			return 0, fmt.Errorf("%q is no name of three letters; write %s", text, name)
		}
	}
	return 0, fmt.Errorf("%q is not a value; use %s", text, f.allowed())
}

// awsOnly are the days of AWS's grammar: L, 15W, FRI#2.
var awsOnly = regexp.MustCompile(`^(L|LW|\d+W|\w+L|\w+#\d)$`)

func (f *field) allowed() string {
	s := fmt.Sprintf("%d-%d%s", f.min, f.max, f.note)
	if f.names != nil {
		s += " or " + f.names[0] + "-" + f.names[len(f.names)-1]
	}
	return s
}
