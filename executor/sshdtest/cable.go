package sshdtest

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"testing"
)

// Cable leads to a server in a network of its own.
type Cable struct {
	t    testing.TB
	name string // of the network namespace, and of this end of the cable
}

// Behind starts a server that only a cable leads to. It needs root and the
// program ip.
func Behind(t testing.TB, settings ...string) (*Server, *Cable) {
	t.Helper()
	// Of the networks that are meant for tests (RFC 2544), one of four addresses.
	n := rand.IntN(1 << 15)
	address := func(host int) string { return fmt.Sprintf("198.%d.%d.%d", 18+n>>14, n>>6&0xff, n&0x3f<<2+host) }
	here, there := address(1), address(2)
	c := &Cable{t, fmt.Sprintf("solocron%d", n)}
	c.ip("netns", "add", c.name)
	t.Cleanup(func() { c.ip("netns", "del", c.name) })
	c.ip("link", "add", c.name, "type", "veth", "peer", "name", "eth0", "netns", c.name)
	c.ip("addr", "add", here+"/30", "dev", c.name)
	c.ip("link", "set", c.name, "up")
	c.ip("-n", c.name, "addr", "add", there+"/30", "dev", "eth0")
	c.ip("-n", c.name, "link", "set", "lo", "up")
	c.Plug()
	return start(t, there+":22", []string{"ip", "netns", "exec", c.name}, settings), c
}

// Pull takes the cable out: from now on nothing arrives, and nobody is told.
func (c *Cable) Pull() { c.ip("-n", c.name, "link", "set", "eth0", "down") }

// Plug puts it back.
func (c *Cable) Plug() { c.ip("-n", c.name, "link", "set", "eth0", "up") }

func (c *Cable) ip(args ...string) {
	c.t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("this test needs root, and ip of Debian package iproute2: ip %v: %v: %s", args, err, out)
	}
}
