package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

var errForbidden = errors.New("link-local and metadata addresses are not allowed")

// metadata are the addresses of the clouds' metadata services outside the
// link-local ranges: AWS and Google over IPv6, Alibaba, Oracle, Azure.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("fd20:ce::254"),
	netip.MustParseAddr("100.100.100.200"),
	netip.MustParseAddr("192.0.0.192"),
	netip.MustParseAddr("168.63.129.16"),
}

// nat64 is the prefix below which IPv6 networks reach IPv4 addresses.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// guard is a [net.Dialer]'s Control: it sees the very address that would be
// connected to, so neither a name nor a second resolution can slip past it.
func guard(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", errForbidden, address)
	}
	ip := to.Addr().WithZone("").Unmap()
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || slices.Contains(metadata, ip) {
		return fmt.Errorf("%w: %s", errForbidden, ip)
	}
	return nil
}
