#!/bin/sh
# usage: needs.sh [PROGRAM...]
#
# Makes sure that the programs which the tests use are there: all of them, or
# the ones named. As root on Debian and its kin the missing packages are
# installed, without starting a service; anybody else is told what to install.
set -eu

# One line each: program, Debian package.
known='
bash bash
busybox busybox
dash dash
flock util-linux
gcc gcc
git git
initdb postgresql
postgres postgresql
ps procps
setsid util-linux
shellcheck shellcheck
ssh-keygen openssh-client
sshd openssh-server
'

found() {
	for place in '' /usr/sbin/ /sbin/ /usr/lib/postgresql/*/bin/; do
		command -v "$place$1" >/dev/null && return
	done
	return 1
}

# missing prints "program package" for each wanted program that is not there.
missing() {
	printf '%s' "$known" | while read -r program package; do
		case " $wanted " in
		'  ' | *" $program "*) [ -z "$program" ] || found "$program" || echo "$program $package" ;;
		esac
	done
}

tell() {
	missing | while read -r program package; do
		printf '%s\n' "missing: $program (Debian package $package)" >&2
	done
}

# Until the end, policy-rc.d keeps the packages from starting their services,
# and createcluster.d keeps PostgreSQL's from making a database of its own.
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/solocron-tests.conf
ours=
quiet_services() {
	trap 'rm -f $ours' EXIT
	trap 'exit 130' INT TERM HUP
	[ -e $policy ] || {
		ours=$policy
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod 755 $policy
	}
	ours="$ours $cluster"
	mkdir -p "${cluster%/*}"
	echo 'create_main_cluster = false' >$cluster
}

install_missing() {
	packages=$(missing | cut -d ' ' -f 2 | sort -u)
	printf '%s\n' "installing $(echo "$packages" | tr '\n' ' ')"
	export DEBIAN_FRONTEND=noninteractive
	quiet_services
	apt-get update -qq
	# shellcheck disable=SC2086 # one word for each package
	apt-get install -qq -y --no-install-recommends $packages </dev/null
}

wanted=$*
[ -n "$(missing)" ] || exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
	install_missing
	[ -n "$(missing)" ] || exit 0
	tell
	exit 1
fi
tell
printf '%s\n' "as root, on Debian: apt-get install $(missing | cut -d ' ' -f 2 | sort -u | tr '\n' ' ')" >&2
exit 1
