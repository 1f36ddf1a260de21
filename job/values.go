package job

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/solocron/solocron/schedule"
)

var momentForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

// The kinds of text that several keys have in common.
var (
	// line is text that can't break out of a line.
	line = matching("text on one line, not empty", `^[^\x00-\x1f\x7f]+$`)

	absolute = matching("an absolute path", `^/[^\x00-\x1f\x7f]*$`)
	variable = matching("a variable's name: letters, digits and _, no digit first", `^[A-Za-z_][A-Za-z0-9_]*$`)
	login    = matching("a user's name", `^[A-Za-z_][A-Za-z0-9._-]{0,31}$`)

	zone = parsed("a time zone such as Asia/Tokyo", schema{}, func(name string) (string, error) {
		if name == "" {
			return "", errors.New("want a time zone such as Asia/Tokyo or UTC, got nothing")
		}
		_, err := schedule.Zone(name)
		return name, err
	})
	moment = parsed("a time like 2026-01-02T03:04:05Z", schema{"pattern": momentForm.String()}, func(s string) (time.Time, error) {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil || !momentForm.MatchString(s) { // Parse alone is lenient
			return t, wantGot("a time like 2026-01-02T03:04:05Z", s)
		}
		return t.UTC(), nil
	})
	mailbox = parsed("a mail address", schema{}, func(s string) (string, error) {
		if _, err := mail.ParseAddress(s); err != nil {
			return "", wantGot("a mail address", s)
		}
		return s, nil
	})
	server = parsed("HOST:PORT", schema{}, func(s string) (string, error) {
		host, port, err := net.SplitHostPort(s)
		if err != nil || host == "" || !validPort(port) {
			return "", wantGot("HOST:PORT", s)
		}
		return s, nil
	})
	address = parsed("local or ssh://[USER@]HOST[:PORT]", schema{"pattern": `^(local|ssh://.+)$`}, parseAddress)
)

var (
	command = prose("a command", `^[^\x00]*[^\x00\s][^\x00]*$`)
	anyText = prose("text", `^[^\x00]*$`)
)

// prose is text with line breaks, as a command or a variable's value may be.
// No program can be given a NUL.
func prose(want, pattern string) shape[string] {
	s := matching(want, pattern)
	s.remedy = func(n *node) string { return fmt.Sprintf("write %q", n.text) }
	return s
}

func wantGot(want, got string) error { return fmt.Errorf("want %s, got %q", want, clip(got)) }

// clip keeps a message readable when the value is a page long.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

var errPassword = errors.New("a password in the address is not used; solocron logs in with keys")

// parseAddress reads a host's address and refuses what ssh would ignore.
func parseAddress(s string) (string, error) {
	if s == "local" {
		return s, nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "ssh" || u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-"):
		return "", wantGot("local or ssh://[USER@]HOST[:PORT]", s)
	case u.Port() != "" && !validPort(u.Port()) || strings.HasSuffix(u.Host, ":"):
		return "", fmt.Errorf("port of %q has to be from 1 to 65535", clip(s))
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("%q has more than ssh://[USER@]HOST[:PORT]", clip(s))
	case hasPassword(u):
		return "", errPassword
	case u.User != nil && (u.User.Username() == "" || u.User.Username()[0] == '-'):
		return "", wantGot("local or ssh://[USER@]HOST[:PORT]", s)
	}
	return s, nil
}

func hasPassword(u *url.URL) bool {
	_, has := u.User.Password()
	return has
}

var (
	durationText = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d|w))+$`
	durationForm = regexp.MustCompile(durationText)
	durationPart = regexp.MustCompile(`([0-9.]+)([a-zµ]+)`)
	longUnits    = map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
)

// duration is a length of time within bounds, in Go's form plus d and w.
func duration(least, most time.Duration) shape[time.Duration] {
	s := parsed("a duration like 10m", schema{"pattern": durationText}, func(s string) (time.Duration, error) {
		d, err := parseDuration(s)
		switch {
		case err != nil:
			return 0, err
		case d < least:
			return 0, fmt.Errorf("want at least %s, got %s", short(least), clip(s))
		case d > most:
			return 0, fmt.Errorf("want at most %s, got %s", short(most), clip(s))
		}
		return d, nil
	})
	s.remedy = func(n *node) string {
		if n.kind != whole {
			return ""
		}
		return "write " + n.text + "s"
	}
	return s
}

func parseDuration(s string) (time.Duration, error) {
	if !durationForm.MatchString(s) {
		return 0, wantGot("a duration like 10m, 1h30m or 2d", s)
	}
	var sum time.Duration
	for _, part := range durationPart.FindAllStringSubmatch(s, -1) {
		number, unit := part[1], part[2]
		scale := time.Duration(1)
		if long := longUnits[unit]; long > 0 {
			scale, unit = long/time.Hour, "h"
		}
		d, err := time.ParseDuration(number + unit)
		if err != nil || d > (math.MaxInt64-sum)/scale {
			return 0, fmt.Errorf("%q is longer than can be counted", clip(s))
		}
		sum += d * scale
	}
	return sum, nil
}

// short is a duration as people write it: 30d and 1h30m instead of 720h0m0s
// and 1h30m0s.
func short(d time.Duration) string {
	if long := longUnits["d"]; d >= long && d%long == 0 {
		return strconv.FormatInt(int64(d/long), 10) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

var (
	sizeText  = `^([0-9]+)(k|M|G|kB|MB|GB|KiB|MiB|GiB)$`
	sizeForm  = regexp.MustCompile(sizeText)
	sizeUnits = map[string]int64{"k": 1e3, "M": 1e6, "G": 1e9, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
)

// size is a number of bytes within bounds.
func size(least, most int64) shape[int64] {
	return parsed("a size like 10MiB", schema{"pattern": sizeText}, func(s string) (int64, error) {
		m := sizeForm.FindStringSubmatch(s)
		if m == nil {
			return 0, wantGot("a size like 64KiB, 10MiB, 1GiB, or with k, M, G for powers of 1000", s)
		}
		n, err := strconv.ParseInt(m[1], 10, 64)
		switch unit := sizeUnits[m[2]]; {
		case err != nil || n > most/unit:
			return 0, fmt.Errorf("want at most %d bytes, got %s", most, clip(s))
		case n*unit < least:
			return 0, fmt.Errorf("want at least %d bytes, got %s", least, clip(s))
		default:
			return n * unit, nil
		}
	})
}
