# First process of every agent: waits for the grants, takes them over, becomes the agent.
# It travels as `sh -c <this> entry ARGV...`, so it needs no file in the image and only a POSIX sh and sleep.
# Nothing is written to the terminal before the agent runs.
d=/run/bottle
n=0
until [ -e "$d/go" ]; do
	n=$((n + 1))
	# The command that started us is gone, or it would have delivered or removed us long ago.
	[ "$n" -le 9000 ] || exit 125
	sleep 0.02 2>/dev/null || sleep 1
done
. "$d/grants"
: >"$d/grants"
rm -f "$d/grants" "$d/go"
unset d n
exec "$@"
