# What every verb of the guard needs. Plain POSIX sh plus Linux's /proc; every
# process that is started here is there because no builtin can do its work.

set -u
umask 077
exec 3>&1

nl='
'
from=0 to=0 busy='' duplicate='' note='' watching='' text=''
read -r boot </proc/sys/kernel/random/boot_id

# say LINE: one line for the scheduler. It may have gone; the run goes on.
say() { printf '%s\n' "$1" 2>/dev/null >&3; }

# find_root ROOT: where the run directories are, given or by default. Fails with
# the reason in why.
find_root() {
	root=${1:-${SOLOCRON_RUN_DIR-}}
	[ -z "$root" ] || return 0
	uid_self
	if [ "$uid" = 0 ]; then
		root=/var/lib/solocron
	elif [ -n "${HOME-}${XDG_STATE_HOME-}" ]; then
		root=${XDG_STATE_HOME:-$HOME/.local/state}/solocron
	else
		why='the login has no HOME: set run-dir for this host'
		return 1
	fi
}

# fleeting: does a reboot take the run directories away? Leaves that in why.
fleeting() {
	case $(stat -f -c %t "$root" 2>/dev/null) in
	1021994 | 858458f6) why="run directory $root is on tmpfs, which does not survive a reboot: set run-dir" ;;
	*) return 1 ;;
	esac
}

# own: are the run directories this user's own? Somebody else could put others
# in their place. Only the root may be reached over a link.
own() {
	for owned in "$root" "$root/runs" "$root/locks"; do
		# shellcheck disable=SC3067 # dash, bash and busybox know -O
		[ -O "$owned" ] && { [ "$owned" = "$root" ] || [ ! -h "$owned" ]; } && continue
		why="$owned is not a directory of this user's: somebody else could change it"
		return 1
	done
}

# uid_self: the user that this shell runs as.
uid_self() {
	while read -r key uid _; do
		[ "$key" != Uid: ] || break
	done </proc/self/status
}

# sign FILE [WORDS]: write "BOOT PID BORN" there, which names this very process
# once and for all.
sign() {
	look self
	put "$boot $pid $born ${2-}" "$1"
}

# look PID: pid, born (its start time) and state of a process; fails if there
# is none.
look() {
	pid='' born='' state=''
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	# shellcheck disable=SC2086 # the words of the line are what is wanted
	set -- ${stat##*) }
	pid=${stat%% *} state=${1-} born=${20-}
}

# alive FILE: does the process live that signed FILE? Leaves its boot in
# its_boot, empty if the file says nothing.
alive() {
	its_boot='' its_pid='' its_born=''
	{ read -r its_boot its_pid its_born _ <"$dir/$1"; } 2>/dev/null || return 1
	[ "$boot" = "$its_boot" ] && look "$its_pid" &&
		[ "$born" = "$its_born" ] && [ "$state" != Z ]
}

# claim FILE WORDS: create FILE of the run directory; exactly one caller wins.
claim() {
	set -C
	{ printf '%s\n' "$2" >"$dir/$1"; } 2>/dev/null
	claimed=$?
	set +C
	return "$claimed"
}

# settle END CODE REASON: write the result and tell it. One write and a closing
# dot make it whole or nothing to every reader, also after a power failure. It
# goes where prepare left blanks, so that a full disk has room for it.
settle() {
	record="end $1${nl}code $2${nl}from $from${nl}to $to$nl"
	record=$record${busy:+busy 1$nl}${duplicate:+duplicate 1$nl}
	record="${record}reason ${3%%"$nl"*}${nl}note $note$nl."
	[ "${#record}" -lt 900 ] || record=$(printf '%s\n' "$record" | cut -b 1-400)
	[ -z "${dir-}" ] || { printf '%s\n' "$record" 1<>"$dir/result"; } 2>/dev/null
	say "$record"
}

# put WORDS FILE: replace what FILE of the run directory says.
put() { { printf '%s\n' "$1" >"$dir/$2"; } 2>/dev/null; }

# known: is there a whole result? Leaves it in record.
known() {
	record=''
	[ -s "$dir/result" ] || return 1
	hear <"$dir/result"
}

# hear: the first whole record on standard input, in record.
hear() {
	record=''
	while IFS= read -r line; do
		case $record$line in
		end\ *) record=$record$line ;;
		*) continue ;;
		esac
		case $record in
		*"$nl.") return 0 ;;
		esac
		record=$record$nl
	done
	return 1
}

# durable FILE...: what was written there survives a power failure. An old
# sync without arguments does for the whole host what is asked for a few files.
durable() {
	why=$(sync "$@" 2>&1) && return 0
	case $why in
	*[Uu]sage* | *operand* | *ignor*) sync ;;
	*) return 1 ;;
	esac
}

# measure: how much output there is, of which kept bytes are on disk: size in
# out, and rest in tail once the collector has left; total is then known too.
measure() {
	size=0 rest=0 total='' lost=''
	[ ! -s "$dir/out" ] || size=$(wc -c <"$dir/out")
	if [ -s "$dir/total" ]; then
		read -r total lost <"$dir/total"
		[ ! -s "$dir/tail" ] || rest=$(wc -c <"$dir/tail")
	fi
	size=$((size)) rest=$((rest))
	kept=$((size + rest))
}

# report: the kept output as "data HEAD TAIL" and that many bytes: all of it up
# to 64 KiB, else its first 16 and its last 48. As text it is the end alone.
report() {
	measure
	[ -z "$total" ] || say "output $total $lost"
	if [ -n "$text" ]; then
		say "tail $kept"
		[ "$kept" = 0 ] || kept_end 5000 | encode >&3
		say .
		return
	fi
	if [ "$kept" -le 65536 ] && [ "$kept" -eq "${total:-$kept}" ]; then
		say "data $kept 0"
		[ "$kept" = 0 ] || kept_output >&3
		return
	fi
	first=$((kept < 16384 ? kept : 16384))
	last=$((kept - first < 49152 ? kept - first : 49152))
	say "data $first $last"
	kept_output | head -c "$first" >&3
	[ "$last" = 0 ] || kept_end "$last" >&3
}

# kept_output: what measure saw of it, though more may come.
kept_output() {
	{
		cat "$dir/out"
		[ "$rest" = 0 ] || cat "$dir/tail"
	} | head -c "$kept"
}

# kept_end BYTES: the last of it.
kept_end() {
	{
		tail -c "$1" "$dir/out"
		[ "$rest" = 0 ] || cat "$dir/tail"
	} | tail -c "$1" | head -c "$1"
}
