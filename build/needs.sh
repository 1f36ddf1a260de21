#!/bin/sh
# usage: needs.sh [PROGRAM...]
#
# Makes sure that the programs which the tests use are there: all of them, or
# the ones named. As root on Debian and its kin the missing packages are
# installed, without starting a service; anybody else is told what to install.
# moto and cfn-lint have no package there: pip puts each into an environment of
# its own. terraform has none either, and is left to whoever is here.
set -eu

# One line each: program, Debian packages (what pip needs, if it comes from there).
# croniter is no program but a module of Debian's own Python.
known='
aws awscli python3-botocore
bash bash
busybox busybox
cfn-lint python3-venv
croniter python3-croniter
curl curl
dash dash
flock util-linux
gcc gcc libc6-dev
git git
initdb postgresql
ip iproute2
moto_server python3-venv
node nodejs
npm npm
pgbouncer pgbouncer
postgres postgresql
ps procps
python3 python3
setpriv util-linux
setsid util-linux
shellcheck shellcheck
ssh-agent openssh-client
ssh-keygen openssh-client
sshd openssh-server
systemd-analyze systemd
terraform
wget wget
'

found() {
	[ "$1" != croniter ] || {
		/usr/bin/python3 -c 'import croniter' 2>/dev/null
		return
	}
	for place in '' /usr/sbin/ /sbin/ /usr/lib/postgresql/*/bin/; do
		command -v "$place$1" >/dev/null && return
	done
	return 1
}

# missing prints "program packages" for each wanted program that is not there.
missing() {
	printf '%s' "$known" | while read -r program packages; do
		case " $wanted " in
		'  ' | *" $program "*) [ -z "$program" ] || found "$program" || echo "$program $packages" ;;
		esac
	done
}

packages() { missing | cut -d ' ' -f 2- | tr ' ' '\n' | sort -u | tr '\n' ' '; }

tell() {
	missing | while read -r program packages; do
		case $program in
		moto_server) printf '%s\n' "missing: $program (Python: pip install '$moto')" >&2 ;;
		cfn-lint) printf '%s\n' "missing: $program (Python: pip install '$cfnlint')" >&2 ;;
		terraform) printf '%s\n' "missing: $program (https://developer.hashicorp.com/terraform/install)" >&2 ;;
		*) printf '%s\n' "missing: $program (Debian: $packages)" >&2 ;;
		esac
	done
}

moto='moto[server]~=5.2.1'
cfnlint='cfn-lint~=1.51'
install_python() { # install_python PROGRAM REQUIREMENT
	home=/usr/local/lib/solocron-$1
	python3 -m venv "$home"
	"$home/bin/pip" install --quiet "$2"
	ln -sf "$home/bin/$1" "/usr/local/bin/$1"
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
	printf '%s\n' "installing: $(packages)"
	export DEBIAN_FRONTEND=noninteractive
	quiet_services
	apt-get update -qq
	# shellcheck disable=SC2046 # one word for each package
	apt-get install -qq -y --no-install-recommends $(packages) </dev/null >/dev/null
	for program in $(missing | cut -d ' ' -f 1); do
		case $program in
		moto_server) install_python moto_server "$moto" ;;
		cfn-lint) install_python cfn-lint "$cfnlint" ;;
		esac
	done
}

wanted=$*
[ -n "$(missing)" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	tell
	printf '%s\n' "as root, on Debian: apt-get install $(packages)" >&2
	exit 1
fi
install_missing
[ -z "$(missing)" ] || {
	tell
	exit 1
}
