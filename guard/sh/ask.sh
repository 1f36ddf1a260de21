# The verbs that ask about an attempt or a host.

# conclude: what is known of the attempt, as phase; at Ended with the record.
# An attempt whose guard is dead is settled here, once nothing of it is left.
conclude() {
	if known; then
		phase=ended
		return
	fi
	word=''
	{ read -r word <"$dir/go"; } 2>/dev/null
	if [ -z "$word" ] && [ ! -e "$dir/go" ]; then
		unstarted
		return
	fi
	phase=running
	if alive supervisor; then return; fi
	here=$its_boot
	if [ -z "$here" ] && alive guard; then return; fi
	here=${here:-$its_boot}
	if [ "$word" != revoked ] && [ "$here" = "$boot" ] && tree; then return; fi
	phase=ended
	! known || return 0
	{ read -r note <"$dir/note"; } 2>/dev/null
	end=gone
	{ read -r end <"$dir/stop"; } 2>/dev/null
	end=${end:-cancelled}
	if [ "$word" = revoked ]; then
		settled refused 0 'no go was given to this attempt'
	elif { read -r code <"$dir/over"; } 2>/dev/null; then
		[ "$end" != gone ] || end=exited
		settled "$end" "$code" ''
	elif [ "$here" != "$boot" ]; then
		settled gone 0 'the host was restarted during the run'
	elif [ "$end" != gone ]; then
		settled "$end" 137 'the guard was killed before the command was ended'
	else
		settled gone 0 'the guard was killed, and no process of the attempt is left'
	fi
}

# unstarted: no go yet. A dead guard is denied it for good, which proves that
# the command never starts; but a host that went down may have lost the go, and
# where nothing can be written the question stays open.
unstarted() {
	phase=ready
	if alive guard; then return; fi
	if [ -n "$its_boot" ] && [ "$its_boot" != "$boot" ]; then
		phase=ended
		settled gone 0 'the host was restarted while the guard waited for its go'
	elif claim go revoked; then
		phase=ended
		settled refused 0 'the guard ended before it was given its go'
	elif [ -e "$dir/go" ]; then
		conclude
	fi
}

# settled END CODE REASON: settle without telling.
settled() { settle "$@" 3>/dev/null; }

# attempt ROOT NAME: the run directory, in dir; fails if there is none. Where
# even the root is missing, a disk may not be mounted: that proves nothing.
attempt() {
	if ! find_root "$1"; then
		say "error $why"
		exit 1
	fi
	dir=$root/runs/$2
	[ ! -d "$dir" ] || return 0
	if [ ! -x "$root/runs" ]; then
		say "error no run directories at $root/runs: not a proof that nothing ran"
		exit 1
	fi
	return 1
}

# status ROOT NAME
status() {
	if ! attempt "$1" "$2"; then
		say 'phase absent'
		return
	fi
	conclude
	[ "$phase" != ended ] || await_output
	say "phase $phase"
	[ "$phase" = ended ] || return 0
	say "$record"
	report
}

# await_output: after the end of the command its last output is on its way,
# unless a process still holds it.
await_output() {
	tries=0
	while [ ! -s "$dir/total" ] && [ "$tries" -lt 10 ] && alive guard; do
		sleep 0.1
		tries=$((tries + 1))
	done
}

# stop ROOT NAME [kill]
stop() {
	if ! attempt "$1" "$2"; then
		say 'phase absent'
		return
	fi
	conclude
	if [ "$phase" = ready ]; then
		if claim go revoked; then
			settled refused 0 'the attempt was stopped before its go'
			# With a watcher before its go, it is a process that keeps others too.
			[ -e "$dir/watcher" ] || { alive guard && kill -s KILL "$its_pid" 2>/dev/null; }
			phase=ended
		else
			phase=running
		fi
	fi
	[ "$phase" != running ] || stop_running "${3-}"
	say "phase $phase"
}

stop_running() {
	claim stop cancelled
	[ -z "$1" ] || put kill kill
	alive watcher && kill -s USR1 "$its_pid" 2>/dev/null && return
	# No watcher: it has yet to start, and will look; or it was killed.
	[ -n "$its_boot" ] || ! alive supervisor || return 0
	read -r _ _ _ grace <"$dir/guard"
	end_tree "$grace"
	conclude
}

# output ROOT NAME OFFSET LIMIT: from the kept output, head and tail in a row.
output() {
	attempt "$1" "$2" || return 0
	[ -e "$dir/out" ] || return 0
	say page
	if [ -z "$text" ]; then
		page "$3" "$4" >&3
	else
		page "$3" "$(($4 < 16384 ? $4 : 16384))" | encode >&3
		say .
	fi
}

# page OFFSET LIMIT
page() {
	size=$(wc -c <"$dir/out")
	if [ "$1" -lt "$size" ]; then
		tail -c +"$(($1 + 1))" "$dir/out"
		[ ! -s "$dir/total" ] || [ ! -s "$dir/tail" ] || cat "$dir/tail"
	elif [ -s "$dir/total" ] && [ -s "$dir/tail" ]; then
		tail -c +"$(($1 - size + 1))" "$dir/tail"
	fi | head -c "$2"
}

# probe ROOT KEEP_DAYS MIN_FREE_BYTES: can attempts start here? With KEEP_DAYS, and
# after the answer, old ones are removed: that takes a look at each of them.
probe() {
	say "time $(date +%s.%N)"
	find_root "$1" || unfit "$why"
	uid_self
	why=$({ { [ -d "$root/runs" ] && [ -d "$root/locks" ] || mkdir -p "$root/runs" "$root/locks"; } && echo probe >"$root/probe"; } 2>&1) ||
		unfit "cannot write run directories in $root (${why%%"$nl"*}): free some space, make it writable for uid $uid, or set run-dir"
	! fleeting || unfit "$why"
	own || unfit "$why"
	{
		read -r _
		read -r _ _ _ free _
	} <<-END
		$(df -P -k "$root")
	END
	say "free $((free * 1024))"
	[ "$((free * 1024))" -ge "$3" ] ||
		unfit "only $((free / 1024)) MiB free in $root, want $(($3 / 1048576)): free some space, or set run-dir"
	for name in flock setsid setpriv; do
		find_tool "$name"
		[ -n "$tool" ] || say "lacks $name"
	done
	[ -z "$text" ] || find_poster || say 'lacks curl, wget or python3'
	say fit
	[ -z "$2" ] || prune "$2"
}

# unfit REASON: no command may start on this host.
unfit() {
	say "unfit $1"
	exit 0
}

# prune DAYS: remove what ended longer ago; settle what nobody asked about.
prune() {
	find "$root/runs" -mindepth 1 -maxdepth 1 -type d -mtime "+$1" | while read -r dir; do
		if known; then
			[ -z "$(find "$dir/result" -mtime "+$1")" ] || rm -rf "$dir"
		else
			(conclude)
		fi
	done
}
