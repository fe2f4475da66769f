# First process of every agent: waits for the grants, takes them over, becomes the agent.
# It travels as `sh -c <this> entry ARGV...`, so it needs no file in the image and only a POSIX sh and sleep.
# Nothing is written to the terminal before the agent runs.
d=/run/bottle
n=0
until [ -s "$d/go" ]; do
	n=$((n + 1))
	# The command that started us is gone, or it would have delivered or removed us long ago.
	[ "$n" -le 9000 ] || exit 125
	sleep 0.02 2>/dev/null || sleep 1
done
# The gate holds the process that opened it. An agent that ended before it did would take it along, and a
# finished delivery would look like a failed one.
read -r p <"$d/go"
while kill -0 "$p" 2>/dev/null; do
	sleep 0.005 2>/dev/null || sleep 1
done
. "$d/grants"
: >"$d/grants"
rm -f "$d/grants" "$d/go"
unset d n p
exec "$@"
