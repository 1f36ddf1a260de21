package webhook

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/notifier/notifiertest"
)

// names is a DNS server. Each name has the addresses that it has in turn; the
// last one stays.
type names struct {
	mu    sync.Mutex
	has   map[string][]string
	asked map[string]int
}

// start makes the test resolve names here and returns the server.
func (d *names) start(t *testing.T) *names {
	t.Helper()
	d.asked = map[string]int{}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for b := make([]byte, 512); ; {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(d.answer(b[:n]), from)
		}
	})
	usual := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = usual
		conn.Close()
		serving.Wait()
	})
	return d
}

// answer is what is said to a question: RFC 1035, 4.1.
func (d *names) answer(q []byte) []byte {
	var labels []string
	at := 12
	for q[at] != 0 {
		labels = append(labels, string(q[at+1:at+1+int(q[at])]))
		at += 1 + int(q[at])
	}
	name, end := strings.Join(labels, "."), at+5
	reply := append(q[:2:2], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	reply = append(reply, q[12:end]...)
	d.mu.Lock()
	defer d.mu.Unlock()
	addresses := d.has[name]
	if kind := binary.BigEndian.Uint16(q[at+1:]); kind != 1 || len(addresses) == 0 {
		return reply
	}
	ip := netip.MustParseAddr(addresses[min(d.asked[name], len(addresses)-1)]).As4()
	d.asked[name]++
	reply[7] = 1
	return append(append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), ip[:]...)
}

func (d *names) questions(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[name]
}

// No name leads to a metadata service: neither at once, nor after a first look
// that was harmless, nor by a redirect.
func TestFault84Names(t *testing.T) {
	dns := (&names{has: map[string][]string{
		"hooks.test":    {"127.0.0.1"},
		"metadata.test": {"169.254.169.254"},
		"rebind.test":   {"127.0.0.1", "169.254.169.254"},
	}}).start(t)
	arrived := 0
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived++
		if strings.HasPrefix(r.Host, "hooks") {
			http.Redirect(w, r, "http://metadata.test/latest/meta-data/", http.StatusTemporaryRedirect)
		}
	}))
	notify := func(host string) error {
		n := open(t, strings.Replace(address, "127.0.0.1", host, 1))
		n.client.Transport.(*http.Transport).Proxy = nil
		return n.Notify(t.Context(), notifiertest.Message())
	}
	if err := notify("metadata.test"); !errors.Is(err, errForbidden) || !errors.Is(err, notifier.ErrFinal) {
		t.Errorf("a name of the metadata service: %v", err)
	}
	if err := notify("rebind.test"); err != nil {
		t.Errorf("while the name is harmless: %v", err)
	}
	if err := notify("rebind.test"); !errors.Is(err, errForbidden) {
		t.Errorf("after the name has moved: %v", err)
	}
	before := dns.questions("metadata.test")
	if err := notify("hooks.test"); !errors.Is(err, notifier.ErrFinal) || !strings.Contains(err.Error(), "redirects are not followed") {
		t.Errorf("a redirect: %v", err)
	}
	if n := dns.questions("metadata.test"); n != before || before == 0 {
		t.Errorf("the metadata service was asked for %d times, %d before the redirect", n, before)
	}
	if arrived != 2 {
		t.Errorf("%d requests arrived, want 2", arrived)
	}
}
