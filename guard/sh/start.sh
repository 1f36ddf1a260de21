# The verb start: from the order on standard input to the end of the command.

o_root='' o_name='' o_token='' o_wait=0 o_lock='' o_shell=/bin/sh o_command=''
o_user='' o_cwd='' o_env='' o_timeout=3600 o_grace=1000 o_head=0 o_tail=0 o_inline=''
o_alone='' o_startby='' o_url='' o_headers='' o_body=''

start() {
	# The scheduler, and with it our output, may go at any time. Signals that are
	# ignored would stay so in the command; a trap is reset there.
	trap : HUP PIPE
	line=''
	while IFS= read -r line; do
		[ "$line" != . ] || break
		eval "$line"
	done
	[ "$line" = . ] || exit 0
	find_root "$o_root" || refuse "$why"
	if [ -n "$o_alone" ]; then
		# Also a refusal must be for good, as the order may come again.
		prepare
		check
		permit
	else
		check
		prepare
		say ready
		await_go
	fi
	exec </dev/null 2>/dev/null
	supervise | collect
	if ! known; then
		conclude
		[ "$phase" != ended ] || say "$record"
	fi
	[ -z "$o_inline" ] || report
	# Who can't talk to the guard doesn't probe its host either.
	[ -z "$o_alone" ] || prune 7
}

# refuse REASON: the command never starts; say so and leave.
refuse() {
	from=0
	settle refused 0 "$1"
	exit 0
}

# check: what can be known to be missing before anything is written.
check() {
	find_tool setsid
	setsid=$tool
	case $o_shell in
	*/*) [ -x "$o_shell" ] || refuse "no shell $o_shell on this host" ;;
	*)
		find_tool "$o_shell"
		[ -n "$tool" ] || refuse "no shell $o_shell on this host"
		o_shell=$tool
		;;
	esac
	become='' o_uid='' o_gid=''
	HOME=${HOME:-/} LOGNAME=${LOGNAME:-${USER-}}
	[ -n "$o_user$LOGNAME" ] || o_user=$(id -un 2>/dev/null) || o_user=''
	[ -z "$o_user" ] || [ "$o_user" = "$LOGNAME" ] || check_user
	if [ -z "$o_cwd" ]; then
		cd "$HOME" 2>/dev/null || cd /
	elif ! cd "$o_cwd" 2>/dev/null; then
		refuse "no directory $o_cwd on this host, or no way into it"
	fi
	if [ -n "$o_lock" ]; then
		find_tool flock
		[ -n "$tool" ] || refuse 'no flock on this host: install util-linux'
	fi
}

# find_tool NAME: its path, or nothing. "command -v" would need a process.
find_tool() {
	tool=''
	IFS=:
	for bin in $PATH; do
		[ ! -x "$bin/$1" ] || { tool=$bin/$1 && break; }
	done
	unset IFS
}

# check_user: can the command run as o_user, and by what means?
check_user() {
	entry=$(getent passwd "$o_user" 2>/dev/null) || find_entry
	[ -n "$entry" ] || refuse "no user $o_user on this host"
	IFS=: read -r LOGNAME _ o_uid o_gid _ HOME _ <<-END
		$entry
	END
	uid_self
	[ "$uid" != "$o_uid" ] || return 0
	[ "$uid" = 0 ] || refuse "must be root to run as user $o_user; the guard runs as uid $uid"
	for means in setpriv runuser su; do
		find_tool "$means"
		[ -n "$tool" ] || continue
		become=$tool
		(become_command true) </dev/null >/dev/null 2>&1 && return 0
	done
	refuse "neither setpriv, runuser nor su can run a command as user $o_user"
}

# find_entry: what /etc/passwd says of o_user, who is a name and no pattern.
find_entry() {
	while IFS= read -r entry; do
		case $entry in
		"$o_user:"*) return ;;
		esac
	done </etc/passwd
	entry=''
}

# prepare: the attempt's run directory, made by exactly one guard, and on disk
# before anybody is told that the guard is ready.
prepare() {
	runs=$root/runs
	[ -d "$runs" ] && [ -d "$root/locks" ] || why=$(mkdir -p "$runs" "$root/locks" 2>&1) || refuse "$why"
	[ -z "$o_alone" ] || ! fleeting || refuse "$why"
	own || refuse "$why"
	why=$(mkdir "$runs/$o_name" 2>&1) || {
		[ ! -e "$runs/$o_name" ] || duplicate=1 why='this attempt was delivered to this host before'
		refuse "$why"
	}
	dir=$runs/$o_name
	if ! { sign guard "$o_grace" && printf '%99s\n' '' >"$dir/result" && printf %4096s '' >"$dir/spare" && true >"$dir/out" && true >"$dir/tail"; } 2>/dev/null; then
		refuse "no room to write in $dir: free some space, or make it writable"
	fi
	durable "$dir/guard" "$dir/result" "$dir" "$runs" || refuse "$why"
}

# await_go: wait for go and make it ours. After o_wait seconds a connection is
# taken for dead; 0 waits for the end of input, which a local pipe gives surely.
await_go() {
	if [ "$o_wait" != 0 ]; then
		expire &
		expiry=$!
	fi
	word='' token=''
	read -r word token from || word=end
	[ "$o_wait" = 0 ] || kill "$expiry" 2>/dev/null
	if [ "$word $token" != "go $o_token" ]; then
		claim go revoked && refuse 'no go was given to this attempt'
	elif claim go go; then
		return 0
	fi
	refuse 'the attempt was stopped before its go'
}

expire() {
	exec >/dev/null 2>&1 3>&-
	trap 'kill -s KILL $!; exit 0' TERM
	sleep "$o_wait" &
	wait $!
	trap : TERM
	claim go revoked || return 0
	settle refused 0 "no go within $o_wait seconds"
	kill -s KILL $$
}

# supervise: run the command and settle its end. Its standard output is the
# collector's pipe. The command runs in the foreground: the shell's own word for
# its exit code is then the truth, and SIGINT is not ignored in it.
supervise() {
	trap : HUP PIPE TERM
	sign supervisor
	[ -z "$o_lock" ] || take_lock
	say started
	clock
	begun=$now
	watch &
	watcher=$!
	command_itself 3>&- 9>&-
	code=$?
	put "$code" over
	exec >/dev/null
	clock
	to=$((from + (now - begun) * 10))
	kill "$watcher" 2>/dev/null
	wait "$watcher"
	exec 9>&-
	end=exited
	{ read -r end <"$dir/stop"; } 2>/dev/null
	end=${end:-cancelled}
	{ read -r note <"$dir/note"; } 2>/dev/null
	[ -n "$setsid" ] || note="${note:+$note; }no setsid on this host: processes were found by environment and parent only"
	settle "$end" "$code" ''
	exec sync "$dir/result" "$dir/out" "$dir" 3>&-
}

# take_lock: the job's lock on this host, held by this process alone and free
# as soon as the command has ended.
take_lock() {
	lock=$root/locks/$o_lock
	{ true >>"$lock"; } 2>/dev/null || refuse "cannot open lock $lock"
	exec 9>>"$lock"
	flock -n 9 && return
	busy=1
	refuse "the job's lock on this host is held by another attempt"
}

# command_itself: become the command. Its pid is recorded before the last look
# at "stop", and "stop" is written before anybody looks for the pid, so that
# one of the two is always seen.
command_itself() (
	sign pid
	[ ! -e "$dir/stop" ] || exit 143
	umask 022
	unset LC_ALL XDG_STATE_HOME OLDPWD GUARD SOLOCRON_RUN_DIR https_proxy no_proxy
	USER=$LOGNAME SHELL=$o_shell LANG=C.UTF-8 SOLOCRON_MARK=$dir/
	PATH=/usr/local/bin:/usr/bin:/bin
	[ "$LOGNAME" != root ] || PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	export HOME USER LOGNAME SHELL PATH LANG SOLOCRON_MARK
	become_command "$o_command" 2>&1
)

# become_command TEXT: exec the shell with TEXT, as the user it is for.
become_command() {
	set -- "$o_shell" -c "$1"
	case $become in
	*/setpriv) set -- "$become" --reuid "$o_uid" --regid "$o_gid" --init-groups "$@" ;;
	*/runuser) set -- "$become" -u "$o_user" -- "$@" ;;
	*/su) set -- "$become" -m -s "$o_shell" "$o_user" -c "$3" ;;
	esac
	[ -z "$setsid" ] || set -- "$setsid" "$@"
	eval "$o_env"
	exec "$@"
}
