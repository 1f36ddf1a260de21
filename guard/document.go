package guard

import (
	"bytes"
	"encoding/json"
	"strings"
)

// MaxDocumentBytes is how long Systems Manager lets a document be.
const MaxDocumentBytes = 64 << 10

// The parameters of the guard's own document, and what they may be.
var parameters = map[string]parameter{
	"verb": {
		Type: "String", Description: "What the guard is to do.",
		AllowedValues: []string{VerbStart, VerbStatus, VerbStop, VerbRead, VerbProbe},
	},
	"run": {
		Type: "String", Default: new(string), AllowedPattern: `^[A-Za-z0-9@._-]{0,150}$`,
		Description: "The attempt that it is about, for whoever reads the command's history.",
	},
	"order": {
		Type: "String", AllowedPattern: `^[A-Za-z0-9+/]+={0,2}$`,
		Description: "The order or the question, in base64.",
	},
	"executionTimeout": {
		Type: "String", AllowedPattern: `^([1-9][0-9]{0,4}|1[0-6][0-9]{4}|17[01][0-9]{3}|172[0-7][0-9]{2}|172800)$`,
		Description: "Seconds until the agent kills the front of the guard, which is after the guard's own timeout.",
	},
}

type parameter struct {
	Type           string   `json:"type"`
	Description    string   `json:"description"`
	Default        *string  `json:"default,omitempty"`
	AllowedValues  []string `json:"allowedValues,omitempty"`
	AllowedPattern string   `json:"allowedPattern,omitempty"`
}

// Document is the content of a Systems Manager document, in JSON, that holds the
// guard and takes what [Order.Parameters] and [Ask] make. Its text is fixed, so
// whoever may only send this document can't bring a script of his own, and its
// parameters can't break out of their quotes.
func Document() []byte {
	type object = map[string]any
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(object{
		"schemaVersion": "2.2",
		"description":   "solocron: starts a command on one host at most once, and tells what became of it.",
		"parameters":    parameters,
		"mainSteps": []object{{
			"action":       "aws:runShellScript",
			"name":         "guard",
			"precondition": object{"StringEquals": []string{"platformType", "Linux"}},
			"inputs": object{
				"timeoutSeconds": "{{ executionTimeout }}",
				"runCommand":     oneway,
			},
		}},
	})
	if err != nil {
		panic("guard: the document can't be written as JSON: " + err.Error())
	}
	return b.Bytes()
}

// ShellCommands is the same for a host whose account has no such document: what
// AWS-RunShellScript takes as its commands. Its executionTimeout must be that of
// the parameters.
func ShellCommands(parameters map[string][]string) []string {
	var pairs []string
	for name, values := range parameters {
		pairs = append(pairs, "{{ "+name+" }}", strings.Join(values, ""))
	}
	fill := strings.NewReplacer(pairs...)
	lines := make([]string, len(oneway))
	for n, line := range oneway {
		lines[n] = fill.Replace(line)
	}
	return lines
}

// oneway is the shell script of the document, line by line. The order goes
// through a pipe: in an argument list others could read it, and a here-document
// needs room in /tmp under some shells.
var oneway = strings.Split("guard="+quote(Script)+"\nprintf %s '{{ order }}' | exec "+environment+
	` GUARD="$guard" https_proxy="${https_proxy:-$HTTPS_PROXY}" no_proxy="${no_proxy:-$NO_PROXY}"`+
	` /bin/sh -c "$guard" solocron-guard oneway {{ verb }} '{{ run }}'`, "\n")
