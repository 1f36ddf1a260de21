package fleet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Address says how a host is reached.
type Address struct {
	Local bool   // this machine; the rest is empty
	User  string // login name; empty for the user that solocron runs as
	Host  string // name or IP address, IPv6 without brackets
	Port  int    // 1 to 65535
}

// SSHPort is the port of an ssh address that names none.
const SSHPort = 22

// ParseAddress reads "local" or "ssh://[user@]host[:port]", with an IPv6
// address in brackets. Whatever it accepts is safe as a word of a command
// line: user and host don't start with a dash and hold no space, quote or
// control character. Its errors name the address, whose password, if somebody
// wrote one, is left out.
func ParseAddress(s string) (Address, error) {
	if s == "local" {
		return Address{Local: true}, nil
	}
	a, err := parseSSH(s)
	if err != nil {
		shown := s
		if login, rest, ok := cutLast(s, "@"); ok && strings.Contains(login, ":") {
			shown = "…@" + rest
		}
		return Address{}, fmt.Errorf("address %q: %w", shown, err)
	}
	return a, nil
}

func parseSSH(s string) (Address, error) {
	rest, ok := strings.CutPrefix(s, "ssh://")
	if !ok {
		return Address{}, errors.New(`want "local" or "ssh://[user@]host[:port]"`)
	}
	user, hostPort, hasUser := cutLast(rest, "@")
	switch {
	case !hasUser:
		user, hostPort = "", rest
	case strings.Contains(user, ":"):
		return Address{}, errors.New("a password has no place here, name a key with identity_file")
	case !isWord(user, "._-+"):
		return Address{}, fmt.Errorf("user %q: want letters, digits and . _ - +", user)
	}
	host, port, err := splitPort(hostPort)
	return Address{User: user, Host: host, Port: port}, err
}

// splitPort takes host[:port] or [ipv6][:port] apart and checks both.
func splitPort(s string) (host string, port int, err error) {
	host, portText := s, strconv.Itoa(SSHPort)
	bracketed := strings.HasPrefix(s, "[")
	switch {
	case bracketed && strings.HasSuffix(s, "]"):
		host = s[1 : len(s)-1]
	case !bracketed && strings.Count(s, ":") > 1:
		return "", 0, errors.New("write an IPv6 address in brackets: ssh://[2001:db8::1]:22")
	case strings.Contains(s, ":"):
		if host, portText, err = net.SplitHostPort(s); err != nil {
			return "", 0, errors.New("want host or host:port")
		}
	}
	number, err := strconv.ParseUint(portText, 10, 16)
	switch {
	case err != nil || number == 0:
		return "", 0, fmt.Errorf("port %q: want 1 to 65535", portText)
	case bracketed && !isIPv6(host):
		return "", 0, fmt.Errorf("%q is not an IPv6 address", host)
	case !bracketed && (!isWord(host, "._-") || len(host) > 253):
		return "", 0, fmt.Errorf("host %q: want a name or an IP address", host)
	}
	return host, int(number), nil
}

func isIPv6(s string) bool {
	ip, err := netip.ParseAddr(s)
	return err == nil && ip.Is6() && (ip.Zone() == "" || isWord(ip.Zone(), "._-"))
}

// String returns the address in the form that [ParseAddress] reads.
func (a Address) String() string {
	if a.Local {
		return "local"
	}
	var user string
	if a.User != "" {
		user = a.User + "@"
	}
	return "ssh://" + user + a.HostPort()
}

// HostPort is what a dialer takes: "host:port", "[ipv6]:port".
func (a Address) HostPort() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// isWord reports whether s is made of ASCII letters, digits and the extra
// characters, and doesn't start with a dash.
func isWord(s, extra string) bool {
	return s != "" && s[0] != '-' && strings.Trim(s, alphanumeric+extra) == ""
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
