#!/bin/sh
# usage: fuzz.sh SECONDS [FOLDER...]
#
# Fuzzes every target of the folders, or of the whole tree, one after the other
# for so many seconds each, and says how many inputs are kept beside the tests.
# An input that fails is written there by the fuzzer; commit it with the fix.
set -eu

seconds=$1
shift
[ $# -gt 0 ] || set -- .

targets=0 failures=''
found=$(grep -rH --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' "$@" | sort)
while IFS=: read -r file name; do
	name=${name#func }
	folder=$(dirname "$file")
	targets=$((targets + 1))
	printf '%s\n' "fuzz: $folder $name"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "${seconds}s" -parallel 1 "./$folder" ||
		failures="$failures $folder/$name"
done <<END
$found
END

kept=$(find . -path '*/testdata/fuzz/Fuzz*' -type f | wc -l)
failed=$(printf '%s' "$failures" | wc -w)
printf '%d targets, %d inputs kept, %d failures%s\n' "$targets" "$kept" "$failed" "$failures"
[ "$failed" -eq 0 ]
