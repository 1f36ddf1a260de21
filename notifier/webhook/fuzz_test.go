package webhook

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/solocron/solocron/notifier"
)

// Whatever stands in the file: an address that is taken can be asked for, and no
// error holds more of it than scheme and host.
func FuzzNew(f *testing.F) {
	f.Add("https://u:T0KENxyz@example.com/T0KENxyz?T0KENxyz#T0KENxyz", "Authorization", "Bearer T0KENxyz")
	f.Add("http://[::1%25lo]:80/\x00", "content-type", "a\nb")
	f.Add("HTTP://a b/%zz", "X Y", "\x7f")
	f.Fuzz(func(t *testing.T, address, name, value string) {
		n, err := New(address, map[string]string{name: value})
		if err != nil {
			if strings.Contains(address+value, "T0KENxyz") && !strings.Contains(name, "T0KENxyz") && strings.Contains(err.Error(), "T0KENxyz") {
				host, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://"), "/")
				if !strings.Contains(host, "T0KENxyz") {
					t.Errorf("the error holds a secret: %v", err)
				}
			}
			return
		}
		if _, err := n.request(t.Context(), notifier.Message{Key: value}); err != nil {
			t.Errorf("%q was taken, and can't be asked for: %v", address, err)
		}
	})
}

// The guard refuses what it can't read, and the link-local however it is written.
func FuzzGuard(f *testing.F) {
	for _, seed := range []string{"127.0.0.1:80", "[::ffff:169.254.169.254]:80", "[fe80::1%eth0]:80", "[64:ff9b::a9fe:a9fe]:80", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		err := guard("tcp", address, nil)
		to, bad := netip.ParseAddrPort(address)
		if err == nil && (bad != nil || to.Addr().Unmap().WithZone("").IsLinkLocalUnicast()) {
			t.Errorf("%s is let through", address)
		}
	})
}
