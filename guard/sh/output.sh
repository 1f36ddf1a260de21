# The timeout and the output: the two processes beside a running command.

# watch: sleep until the timeout, or until "stop" asks for an earlier end, then
# end the tree. TERM from the supervisor means that the command is over; once
# the ending has begun it is finished nevertheless. Files say the same as the
# signals do, because a shell may lose a signal before its traps are set, as its
# child does before it becomes sleep: hence KILL.
watch() {
	# A redirection of the call would leave a copy behind in some shells, and
	# with it the connection open and the lock held.
	exec >/dev/null 3>&- 9>&-
	watching=1
	trap 'kill -s KILL $!; exit 0' TERM
	trap 'kill -s KILL $!' USR1
	trap : HUP PIPE
	sleep "$o_timeout" &
	sign watcher
	if [ ! -e "$dir/stop" ] && [ ! -e "$dir/over" ]; then wait $!; else kill -s KILL $!; fi
	[ ! -e "$dir/over" ] || exit 0
	trap : TERM USR1
	claim stop timed_out
	end_tree "$o_grace"
}

# collect: keep the command's output and never let it wait or fail. dd writes
# through as it reads, up to o_head bytes; of what comes after that, or after
# the disk is full, tail keeps the last o_tail bytes in memory until the end.
collect() {
	trap : HUP INT TERM PIPE
	exec 5>>"$dir/out" 6>>"$dir/tail"
	head=0 lost=''
	while count=$(((o_head - head) / 4096)) && [ "$count" -gt 0 ]; do
		# Its last words are "A+B records in / C+D records out / N bytes ...",
		# without the third line in busybox.
		words=$(dd bs=4096 count="$count" 2>&1 >&5) || lost=lost
		blocks=${words%% records in*}
		blocks=${blocks##*"$nl"}
		bytes=${words##*"$nl"}
		bytes=${bytes%% *}
		case $blocks/$bytes in
		*[!0-9+/]* | */ | */*+*) head=$(wc -c <"$dir/out") ;;
		*) head=$((head + bytes)) ;;
		esac
		[ -z "$lost" ] || break
		[ $((${blocks%+*} + ${blocks#*+})) -eq "$count" ] || break
	done
	total=$head
	if [ -n "$lost" ] || [ "$count" -le 0 ]; then
		rest=$({ tee /dev/fd/4 | tail -c "$o_tail" >&6; } 4>&1 | wc -c)
		total=$((head + rest))
	fi
	put "$total $lost" total || { true >"$dir/spare" && put "$total $lost" total; }
	say "output $total $lost"
}
