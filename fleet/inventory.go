package fleet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// MaxHostID is how long a host's ID may be.
const MaxHostID = 128

// Inventory checks a list of hosts that somebody wrote or a command printed,
// and returns a copy as [Fleet.Hosts] promises it: sorted by ID, each once,
// sharing nothing with the argument. The error names the first host that is
// wrong and what of it.
func Inventory(hosts []Host) ([]Host, error) {
	seen := make(map[string]bool, len(hosts))
	for i, h := range hosts {
		if err := h.check(); err != nil {
			if h.ID == "" {
				return nil, fmt.Errorf("host %d of the list: %w", i+1, err)
			}
			return nil, fmt.Errorf("host %q: %w", h.ID, err)
		}
		if seen[h.ID] {
			return nil, fmt.Errorf("host %q: listed twice", h.ID)
		}
		seen[h.ID] = true
	}
	list := Clone(hosts)
	slices.SortFunc(list, func(a, b Host) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// Clone copies a list of hosts, tags included; the copy of nil is empty.
func Clone(hosts []Host) []Host {
	list := make([]Host, len(hosts))
	for i, h := range hosts {
		h.Tags = maps.Clone(h.Tags)
		list[i] = h
	}
	return list
}

// check says what is wrong with the host alone. IDs end up in logs, mails and
// a command's environment, so they are plain words.
func (h Host) check() error {
	if h.ID == "" {
		return errors.New("has no id")
	}
	if !isWord(h.ID, "._:@+-") || len(h.ID) > MaxHostID {
		return fmt.Errorf("id: want up to %d letters, digits and . _ : @ + -", MaxHostID)
	}
	if _, err := ParseAddress(h.Address); err != nil {
		return err
	}
	paths := []struct{ key, path string }{
		{"run_dir", h.RunDir}, {"identity_file", h.IdentityFile}, {"known_hosts", h.KnownHosts},
	}
	for _, p := range paths {
		if hasControl(p.path) {
			return fmt.Errorf("%s %q: want a path without control characters", p.key, p.path)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(h.Tags)) {
		if k == "" || hasControl(k) || hasControl(h.Tags[k]) {
			return fmt.Errorf("tag %q=%q: want a name, and no control characters", k, h.Tags[k])
		}
	}
	return nil
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
