# The claim: a guard that nobody gives its go asks the ledger for it.

# permit: return if the attempt may start. The request was signed for it
# beforehand; the ledger lets one asker pass, the guard or whoever takes the
# attempt back, and by its own clock none that comes late.
permit() {
	verdict=''
	if [ -n "$o_url" ]; then
		host=${o_url#*//}
		host=${host%%/*}
		clock
		patience=$((now + 2000))
		pause=0.5
		find_poster || verdict='the claim needs curl, wget (GNU) or python3 on this host, and it has none'
		printf %s "$o_body" >"$dir/body" || verdict="no room to write in $dir"
		while [ -z "$verdict" ] && in_time && ! ask; do
			clock
			if [ "$now" -ge "$patience" ]; then
				verdict="cannot reach the ledger at $host: $poster: $why"
				break
			fi
			sleep "$pause"
			[ "$pause" = 2 ] || pause=$((${pause%.*} + 1))
		done
		rm -f "$dir/body" "$dir/why" "$dir/wgetrc"
	else
		in_time
	fi
	[ -z "$verdict" ] || refuse "$verdict"
	claim go go || refuse 'the attempt was stopped before its go'
	begin=$(date +%s.%N)
	from=${begin#*.}000
	case $from in
	[!0-9]* | ?[!0-9]* | ??[!0-9]*) from=000 ;;
	esac
	from=${begin%%.*}${from%"${from#???}"}
}

# in_time: is it not too late by this host's clock?
in_time() {
	[ -z "$o_startby" ] && return
	[ "$(date +%s)" -le "$o_startby" ] && return
	verdict='the order came too late by the clock of this host'
	return 1
}

# ask: put the question once. Fails, with why, if there is no answer yet;
# whether the question was heard is then unknown, but asking again is safe: the
# ledger names who passed. verdict is the answer, if it is no.
ask() {
	code=000
	"post_$poster"
	why=$(tr '\n' ' ' <"$dir/why" | cut -b 1-300)
	case $code/$answer in
	200/'{'*) return 0 ;;
	4??/*ConditionalCheckFailed*"\"guard $o_token\""*) return 0 ;;
	4??/*ConditionalCheckFailed*)
		verdict='taken back by the scheduler before this host claimed it'
		;;
	4??/*Conflict* | 4??/*Throttl* | 4??/*ThroughputExceeded* | 4??/*LimitExceeded* | 408/* | 429/* | 5??/*)
		why="it answered $code $answer"
		return 1
		;;
	4??/*[Ee]xpired*)
		verdict="the claim has expired by the clock of the ledger: the order came too late"
		;;
	[1-4]??/*) verdict="the ledger at $host did not take the claim: it answered $code $answer" ;;
	*) return 1 ;;
	esac
}

# find_poster: what can send the claim. The wget of busybox can't: it takes
# headers as arguments only, where others see them, and hides a refusal's reason.
find_poster() {
	for poster in curl wget python3; do
		find_tool "$poster"
		[ -n "$tool" ] || continue
		[ "$poster" = wget ] || return 0
		case $("$tool" --version 2>&1) in
		GNU\ Wget*) return 0 ;;
		esac
	done
	return 1
}

# The posters leave code and answer, and their complaints in the file why. In
# front of others only the URL shows.

post_curl() {
	answer=$(
		cd "$dir" && {
			printf 'url = "%s"\ndata-binary = "@body"\nheader = "Expect:"\n' "$o_url"
			printf %s "$o_headers" | sed 's/.*/header = "&"/'
		} | "$tool" -q -g -sS -m 8 -K - -w '\n%{http_code}' 2>why
	)
	code=${answer##*"$nl"}
	answer=${answer%"$nl"*}
}

post_wget() {
	printf %s "$o_headers" | sed 's/^/header = /' >"$dir/wgetrc"
	answer=$(cd "$dir" && "$tool" --config=wgetrc -nv -O - -T 8 -t 1 --max-redirect=0 --content-on-error \
		--post-file=body "$o_url" 2>why) && code=200 && return
	code=$(grep -o 'ERROR [0-9][0-9][0-9]' "$dir/why") || return
	code=${code#* }
}

post_python3() {
	answer=$(cd "$dir" && printf '%s\n%s' "$o_url" "$o_headers" | "$tool" -I -c '
import sys, urllib.error, urllib.request
url, *lines = sys.stdin.read().splitlines()
headers = dict(line.split(": ", 1) for line in lines)
try:
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, open("body", "rb").read(), headers), timeout=8)
    except urllib.error.HTTPError as refusal:
        answer = refusal
    print(answer.read().decode(), answer.code, sep="\n")
except Exception as trouble:
    sys.exit(str(trouble))
' 2>why)
	code=${answer##*"$nl"}
	answer=${answer%"$nl"*}
}
