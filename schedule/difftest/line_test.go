package difftest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A line is a crontab's five fields: minute, hour, day of month, month, weekday.
type line [5]field

// A field is a list of items, or a single star.
type field []item

// An item is a value, a range, a range with a step, or a star with or without
// one. The range of a star is the whole field's.
type item struct {
	star           bool
	from, to, step int
	named          bool
}

const (
	minute = iota
	hour
	date
	month
	weekday
)

var bounds = [5][2]int{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}}

var names = [5][]string{
	month:   strings.Fields(". jan feb MAR apr may jun JUL aug sep oct nov dec"),
	weekday: strings.Fields("sun mon TUE wed thu FRI sat"),
}

var star = item{star: true, step: 1}

func (f field) starred() bool { return f[0].star }

// either reports whether both day fields are restricted, so that a day of one
// of them will do.
func (l line) either() bool { return !l[date].starred() && !l[weekday].starred() }

func (l line) String() string {
	var fields []string
	for i, f := range l {
		fields = append(fields, f.text(i))
	}
	return strings.Join(fields, " ")
}

func (f field) text(i int) string {
	var items []string
	for _, it := range f {
		items = append(items, it.text(i, "-"))
	}
	return strings.Join(items, ",")
}

func (it item) text(i int, to string) string {
	value := func(v int) string {
		if it.named && v < len(names[i]) {
			return names[i][v]
		}
		return strconv.Itoa(v)
	}
	var text string
	switch {
	case it.star:
		text = "*"
	case it.from == it.to:
		return value(it.from)
	default:
		text = value(it.from) + to + value(it.to)
	}
	if it.step > 1 {
		text += fmt.Sprintf("/%d", it.step)
	}
	return text
}

// values lists what field i stands for.
func (f field) values(i int) []bool {
	have := make([]bool, bounds[i][1]+1)
	for _, it := range f {
		it = it.ranged(i)
		for v := it.from; v <= it.to; v += it.step {
			have[v] = true
		}
	}
	if i == weekday {
		have[0] = have[0] || have[7]
		have = have[:7]
	}
	return have
}

// listed writes all values of field i, each once.
func (f field) listed(i int) field {
	var list field
	for v, have := range f.values(i) {
		if have {
			list = append(list, item{from: v, to: v, step: 1})
		}
	}
	return list
}

// ranged writes a star as the range that it stands for.
func (it item) ranged(i int) item {
	if it.star {
		it.star, it.from, it.to = false, bounds[i][0], bounds[i][1]
		if i == weekday {
			it.to = 6
		}
	}
	return it
}

// randomLine makes a line; half of them ask for every day, and half of them for
// an hour near the given one.
func randomLine(r *rand.Rand, near int) line {
	var l line
	for i := range l {
		l[i] = randomField(r, i)
	}
	if r.IntN(2) == 0 {
		l[date], l[month], l[weekday] = field{star}, field{star}, field{star}
	}
	if r.IntN(2) == 0 {
		h := (near + 22 + r.IntN(4)) % 24
		l[hour] = field{{from: h, to: h, step: 1}}
	}
	return l
}

func randomField(r *rand.Rand, i int) field {
	low, high := bounds[i][0], bounds[i][1]
	step := 2 + r.IntN(max(1, high/2-1))
	switch r.IntN(6) {
	case 0, 1:
		return field{star}
	case 2:
		return field{{star: true, step: step}}
	}
	var f field
	for range []int{1, 1, 1, 2, 3}[r.IntN(5)] {
		it := item{from: low + r.IntN(high-low+1), step: 1, named: names[i] != nil && r.IntN(4) == 0}
		it.to = it.from
		if r.IntN(2) == 0 {
			it.to += r.IntN(high - it.from + 1)
		}
		if it.from < it.to && r.IntN(3) == 0 {
			it.step = 1 + r.IntN(it.to-it.from)
		}
		if i == weekday && it.to == 7 {
			it.named = false
		}
		f = append(f, it)
	}
	return f
}
