package schedule

import (
	"errors"
	"fmt"
	"strings"
)

var macros = map[string]string{
	"@hourly":   "0 * * * *",
	"@daily":    "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@weekly":   "0 0 * * 0",
	"@monthly":  "0 0 1 * *",
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
}

func parseMacro(text string) (calendar, error) {
	name, rest, _ := strings.Cut(strings.ToLower(text), " ")
	line, ok := macros[name]
	switch {
	case ok && rest == "":
		return parseCrontab(line, "")
	case name == "@reboot":
		return calendar{}, errors.New("no host's start is a due time for a whole fleet; start it from the host's own init system")
	case name == "@every":
		return calendar{}, fmt.Errorf(`write "every %s"`, rest)
	}
	return calendar{}, errors.New("unknown macro; use @hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually")
}

// parseCrontab reads the five fields of crontab(5), or six with seconds first.
func parseCrontab(text, seed string) (calendar, error) {
	words := strings.Fields(text)
	if name, _, ok := strings.Cut(words[0], "="); ok {
		return calendar{}, fmt.Errorf(`%s= has no place here; use the key "timezone"`, name)
	}
	if len(words) == 5 {
		words = append([]string{"0"}, words...)
	}
	if len(words) != len(crontabFields) {
		return calendar{}, countError(len(words))
	}
	var sets [len(crontabFields)]set
	var errs []error
	for i, word := range words {
		var err error
		sets[i], err = crontabFields[i].parse(word, seed)
		errs = append(errs, err)
	}
	starred := func(i int) bool { return words[i][0] == '*' }
	return calendar{
		second: sets[0][0],
		minute: sets[1][0],
		hour:   sets[2][0],
		days:   days{month: uint32(sets[3][0]), week: uint8(sets[5][0]), either: !starred(3) && !starred(5)},
		month:  sets[4][0],
		year:   everyYear,
		wild:   starred(1) || starred(2),
	}, errors.Join(errs...)
}

var everyYear = set{1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<(lastYear-firstYear+1-192) - 1}

func countError(n int) error {
	hint := ""
	if n == 7 {
		hint = "; for years write AWS's cron(minute hour day month weekday year)"
	}
	plural := "s"
	if n == 1 {
		plural = ""
	}
	return fmt.Errorf("%d field%s; want 5 (minute hour day month weekday), or 6 with seconds in front%s", n, plural, hint)
}
