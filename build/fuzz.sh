#!/bin/sh
# usage: fuzz.sh SECONDS [FOLDER...]
#
# Fuzzes every target of the folders, or of the whole tree, one after the other
# for so many seconds each, and says how many inputs are kept beside the tests.
# An input that fails is written there by the fuzzer; commit it with the fix.
#
# With KEEP=N the smallest inputs that widened the coverage are put there too, up
# to N for each target: every run of the tests begins with them.
set -eu

seconds=$1
shift
[ $# -gt 0 ] || set -- .

targets=0 failures='' keep=${KEEP:-0}
cache=$(go env GOCACHE)/fuzz module=$(go list -m)
found=$(grep -rH --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' "$@" | sort)
while IFS=: read -r file name; do
	name=${name#func }
	folder=$(dirname "$file")
	targets=$((targets + 1))
	printf '%s\n' "fuzz: $folder $name"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "${seconds}s" -parallel 1 "./$folder" ||
		failures="$failures $folder/$name"
	corpus=$folder/testdata/fuzz/$name
	has=$(find "$corpus" -type f 2>/dev/null | wc -l)
	if [ "$has" -lt "$keep" ]; then
		mkdir -p "$corpus"
		find "$cache/$module/${folder#./}/$name" -type f -size -2 -printf '%s %p\n' 2>/dev/null |
			sort -n | head -n $((keep - has)) | while read -r _ input; do cp "$input" "$corpus"; done
	fi
done <<END
$found
END

kept=$(find . -path '*/testdata/fuzz/Fuzz*' -type f | wc -l)
failed=$(printf '%s' "$failures" | wc -w)
printf '%d targets, %d inputs kept, %d failures%s\n' "$targets" "$kept" "$failed" "$failures"
[ "$failed" -eq 0 ]
