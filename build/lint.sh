#!/bin/sh
# Runs every linter, says which ones complained, and fails if one did.
set -eu

complained=
lint() { # lint NAME COMMAND...
	name=$1
	shift
	printf '%s\n' "lint: $name"
	"$@" || complained="$complained $name"
}

tool() { go tool -modfile=tools/go.mod "$@"; }

shell_scripts() {
	find . -name '*.sh' -not -path './.git/*' -exec shellcheck {} + && shellcheck .ci/run
}

# govulncheck compares with a database that it fetches. Without a way there,
# that is said and nothing is judged.
known_vulnerabilities() {
	said=$(tool govulncheck ./... 2>&1) && return
	case $said in
	*'fetching vulnerabilities'*) printf '%s\n' 'govulncheck: vuln.go.dev is not reachable, nothing was compared' ;;
	*) printf '%s\n' "$said" && return 1 ;;
	esac
}

lint gofmt sh build/gofmt.sh
lint vet go vet ./...
lint golangci-lint tool golangci-lint run
lint staticcheck tool staticcheck ./...
lint shellcheck shell_scripts
lint govulncheck known_vulnerabilities

[ -z "$complained" ] || {
	printf '%s\n' "lint: not clean:$complained" >&2
	exit 1
}
printf '%s\n' 'lint: clean'
