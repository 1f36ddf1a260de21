verb=$1
shift
"$verb" "$@"
