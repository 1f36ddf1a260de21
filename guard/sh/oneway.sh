# Where nobody can talk to the guard, as under the SSM agent: orders and
# questions come in base64, and so does output go.

# oneway VERB NAME: with the rest of the order or question on standard input.
# Standard error is for the trailer alone.
oneway() {
	exec 4>&2 2>/dev/null
	text=1
	if find_coder; then
		order=$(decode)
	elif [ "$1" = start ]; then
		settled refused 0 "$why"
		trailer
	elif [ "$1" = probe ]; then
		unfit "$why"
	else
		say "error $why"
		exit 1
	fi
	if [ "$1" = start ]; then
		front "$2"
	else
		eval "set -- $1 $order"
		"$@"
	fi
}

# front NAME: what the agent waits for. The guard itself is in a session of its
# own, which outlives the agent's SIGKILL to the front's process group. The root
# is the first line of an order, if it is there.
front() {
	o_root=''
	case $order in
	o_root=*) eval "${order%%"$nl"*}" ;;
	esac
	dir=''
	! find_root "$o_root" || dir=$root/runs/$1
	find_tool setsid
	printf '%s\n' "$order" |
		${tool:+"$tool"} /bin/sh -c "$GUARD" solocron-guard start 2>/dev/null 3>&- 4>&- |
		listen
}

# listen: hear what the guard says at the end, and tell it.
listen() {
	if ! hear; then
		[ -n "$dir" ] || exit 1
		await_end || exit 1
	fi
	case $record in
	*"${nl}duplicate 1$nl"*)
		said=$record
		known || record=$said dir=''
		;;
	esac
	[ -z "$dir" ] || await_output
	trailer
}

# await_end: the guard died without a word. What was killed with it may need a
# moment to be gone; a command that lives on is for later questions.
await_end() {
	tries=0
	until conclude; [ "$phase" = ended ]; do
		[ "$tries" -lt 50 ] || return 1
		sleep 0.1
		tries=$((tries + 1))
	done
}

# trailer: the output to standard output, and the record with the output's end
# to standard error, of which the service keeps less than 8000 bytes.
trailer() {
	kept=0 total=''
	[ -z "${dir-}" ] || measure
	[ "$kept" = 0 ] || kept_output >&3
	exec 3>&4
	say "$record"
	if [ -n "${dir-}" ]; then report; else say "tail 0$nl."; fi
	# A guard whose output is still held would keep the agent waiting.
	[ -z "${dir-}" ] || [ -s "$dir/total" ] || ! alive guard || kill -s KILL "$its_pid"
	field end
	case $field in
	timed_out) exit 124 ;;
	refused) exit 75 ;;
	exited) field code ;;
	*) field code && [ "$field" != 0 ] || field=1 ;;
	esac
	# To the agent these mean a timeout, a success, a failure, and to restart the
	# host and run everything again.
	case $field in
	137 | 168 | 169 | 194) exit 1 ;;
	esac
	exit "$field"
}

# field NAME: what the record says of it.
field() {
	field=$nl$record
	field=${field#*"$nl$1 "}
	field=${field%%"$nl"*}
}

# find_coder: what knows base64.
find_coder() {
	for name in base64 openssl python3; do
		find_tool "$name"
		[ -z "$tool" ] || break
	done
	coder=$tool
	why='no base64, openssl or python3 on this host: install coreutils'
	[ -n "$coder" ]
}

encode() {
	case $coder in
	*/base64) "$coder" ;;
	*/openssl) "$coder" base64 ;;
	*) "$coder" -m base64 ;;
	esac
}

decode() {
	case $coder in
	*/base64) "$coder" -d ;;
	*/openssl) "$coder" base64 -d -A ;;
	*) "$coder" -m base64 -d ;;
	esac
}
