#!/bin/sh
# Names the Go files that gofmt would change; fails if there is one.
set -eu

unformatted=$(find . -name '*.go' -not -path './.*' -exec gofmt -s -l {} +)
[ -z "$unformatted" ] || {
	printf 'not formatted, run gofmt -s -w:\n%s\n' "$unformatted" >&2
	exit 1
}
