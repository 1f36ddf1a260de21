# The processes of an attempt and how they are ended.

# tree: pids of all live processes of the attempt. They are found by the mark in
# their environment, which survives setsid and double forks; by the command's
# session; and as children of those. One that cleared its environment, left the
# session and lost its parent can't be found.
tree() {
	pids='' main='' main_born='' session='' own=''
	for signed in guard supervisor watcher; do
		if alive "$signed"; then own="$own $its_pid"; fi
	done
	# A guard that is no shell has it in a second line of its own.
	{ read -r _ main main_born <"$dir/pid" || { read -r _ && read -r _ main main_born; } <"$dir/guard"; } 2>/dev/null
	if [ -n "$main" ] && look "$main"; then
		# A number that now names a stranger says nothing about its session.
		[ "$born" = "$main_born" ] && session=$main
		[ -z "$session" ] || [ "$state" = Z ] || add "/proc/$main"
	elif [ -n "$main" ] && [ -n "$watching" ]; then
		session=$main
	fi
	# shellcheck disable=SC2046 # one word per process
	add $(grep -lzF "SOLOCRON_MARK=$dir/" /proc/[0-9]*/environ 2>/dev/null)
	# shellcheck disable=SC2046
	[ -z "$session" ] || add $(grep -lE "\) [^ZX] [0-9]+ [0-9]+ $session " /proc/[0-9]*/stat 2>/dev/null)
	before=''
	while [ "$pids" != "$before" ]; do
		before=$pids
		parents=''
		for parent in $pids; do parents="$parents${parents:+|}$parent"; done
		# shellcheck disable=SC2046
		add $(grep -lE "\) [^ZX] ($parents) " /proc/[0-9]*/stat 2>/dev/null)
	done
	[ -n "$pids" ]
}

# add /proc/PID/FILE...: take the processes into pids, but never init and never
# one of the guard's own, so that no mistake above reaches beyond the attempt.
add() {
	for found; do
		found=${found#/proc/}
		found=${found%%/*}
		case " 0 1 $$ $own $pids " in
		*" $found "*) ;;
		*) pids="$pids $found" ;;
		esac
	done
}

# end_tree GRACE: TERM, grace in hundredths of a second, KILL until none is
# left. Whoever creates the file "kill" cuts the grace short. Leaves a note about
# survivors.
end_tree() {
	clock
	patience=$((now + $1))
	pause=0.05
	if [ ! -e "$dir/kill" ] && tree; then
		signal TERM
		signal CONT
		while tree && [ "$now" -lt "$patience" ] && [ ! -e "$dir/kill" ]; do
			sleep "$pause"
			pause=0.2
			clock
		done
	fi
	# A process in the middle of an exec has no environment to show: only two
	# looks that find nothing count.
	rounds=0 empty=0
	while [ "$empty" -lt 2 ] && [ "$rounds" -lt 50 ]; do
		if tree; then
			empty=0
			signal KILL
		else
			empty=$((empty + 1))
		fi
		rounds=$((rounds + 1))
		sleep 0.02
	done
	[ -z "$pids" ] || put "could not end processes$pids" note
}

# signal NAME: to every process of pids.
signal() {
	# shellcheck disable=SC2086 # one word per process
	kill -s "$1" $pids 2>/dev/null
}

# clock: now, in hundredths of a second since the host was started.
clock() {
	read -r up _ </proc/uptime
	now=$((${up%.*} * 100 + 1${up#*.} - 100))
}
