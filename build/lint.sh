#!/bin/sh
# Runs every linter, also after one complained, and fails if one did.
# The guard's pieces make one script; guard's own test gives that to shellcheck.
set -eu

complained=
lint() { # lint NAME COMMAND...
	name=$1
	shift
	printf '%s\n' "lint: $name"
	"$@" || complained="$complained $name"
}

tool() { go tool -modfile=tools/go.mod "$@"; }

# govulncheck compares with a database that it fetches. Without a way there,
# that is said and nothing is judged.
govulncheck() {
	said=$(tool govulncheck ./... 2>&1) && return
	case $said in
	*'fetching vulnerabilities'*) printf '%s\n' 'its database is not reachable; skipped' ;;
	*) printf '%s\n' "$said" && return 1 ;;
	esac
}

lint golangci-lint tool golangci-lint run
lint shellcheck shellcheck build/*.sh .ci/run
lint govulncheck govulncheck

[ -z "$complained" ] || {
	printf '%s\n' "lint: not clean:$complained" >&2
	exit 1
}
printf '%s\n' 'lint: clean'
