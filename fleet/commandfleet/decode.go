package commandfleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/solocron/solocron/fleet"
)

// decode reads a JSON array of hosts and nothing else. Its errors say which
// host of the array is wrong.
func decode(printed []byte) ([]fleet.Host, error) {
	d := json.NewDecoder(bytes.NewReader(printed))
	d.DisallowUnknownFields()
	if first, err := d.Token(); err != nil || first != json.Delim('[') {
		return nil, fmt.Errorf("want a JSON array of hosts, got %s", glimpse(printed))
	}
	hosts := []fleet.Host{}
	for d.More() {
		var h fleet.Host
		if err := d.Decode(&h); err != nil {
			return nil, fmt.Errorf("host %d of the array: %w", len(hosts)+1, ended(err))
		}
		hosts = append(hosts, h)
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("after host %d of the array: %w", len(hosts), ended(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value: the array ends at byte %d", d.InputOffset())
	}
	return hosts, nil
}

func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the output ends in mid-array")
	}
	return err
}

// glimpse quotes the beginning of what was printed.
func glimpse(printed []byte) string {
	printed = bytes.TrimSpace(printed)
	switch {
	case len(printed) == 0:
		return "nothing"
	case len(printed) > 60:
		return fmt.Sprintf("%q…", printed[:60])
	}
	return fmt.Sprintf("%q", printed)
}
