package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Settings are what a scheduler without a jobs file is told beside its jobs,
// which it finds in the ledger: the Lambda has them in a variable.
type Settings struct {
	Table     string         `json:"table"` // the DynamoDB ledger
	EC2       EC2            `json:"ec2"`
	Topics    map[string]SNS `json:"topics,omitempty"` // notice targets by name
	Retention time.Duration  `json:"retention"`
	// Settled is how long a timer may take to deliver a due time before the
	// sweep starts it; zero for the dispatcher's own 75s.
	Settled time.Duration `json:"settled,omitempty"`
}

// ReadSettings decodes settings strictly.
func ReadSettings(text string) (Settings, error) {
	var s Settings
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, fmt.Errorf("settings: %w", err)
	}
	switch {
	case s.Table == "":
		return s, errors.New("settings: the ledger's table is missing")
	case s.EC2.Region == "" || s.EC2.Document == "":
		return s, errors.New("settings: the fleet's region or document is missing")
	case s.EC2.ClaimWithin <= 0:
		return s, errors.New("settings: claim_within is missing")
	}
	return s, nil
}
