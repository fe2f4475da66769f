# Says what the bottle looks like from inside, one fact a line: "<key> <text>". Builtins only.
# Runs in the agent's container, as the agent's user, before any grant is delivered. The arguments are the
# addresses of the internal network that must not answer; bash, where the image has it, can knock on them.
show() {
	[ -r "$2" ] || return 0
	while IFS= read -r line || [ -n "$line" ]; do
		printf '%s %s\n' "$1" "$line"
	done <"$2"
}
# Asks a nameserver for a name that nobody has; prints the header of its answer in hex, if one comes.
ask() {
	bash -c 'exec 3<>"/dev/udp/$0/53" && printf "\\x0b\\x07\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x05probe\\x06bottle\\x07invalid\\x00\\x00\\x01\\x00\\x01" >&3 &&
		timeout 0.3 head -c 12 <&3 | od -An -v -tx1' "$1" 2>/dev/null
}
printf 'version 1\n'
show first /proc/1/status
show self /proc/self/status
show uid_map /proc/self/uid_map
show route /proc/net/route
show route6 /proc/net/ipv6_route
show address6 /proc/net/if_inet6
show link /proc/net/dev
show resolver /etc/resolv.conf
show host /etc/hosts
show hostname /proc/sys/kernel/hostname
show mount /proc/self/mountinfo
for path in /dev/*; do
	printf 'device %s\n' "$path"
done
for path in /var/run/*.sock /run/*.sock /run/*/*.sock /tmp/*.sock; do
	[ -S "$path" ] && printf 'socket %s\n' "$path"
done
for path in / /etc /usr /var /proc/sys/kernel /sys; do
	(: >"$path/.bottle-write") 2>/dev/null && printf 'writable %s\n' "$path"
done
export -p | while IFS= read -r line; do
	# Only whole "export NAME=" lines name a variable; a value's further lines may look like anything.
	printf 'export %s\n' "${line%%=*}"
done
if command -v bash >/dev/null 2>&1; then
	for address; do
		# Any datagram makes the kernel ask for the owner of the address; who owns it answers at once.
		bash -c "printf x >/dev/udp/$address/9" 2>/dev/null
	done
	while read -r key server rest; do
		[ "$key" = nameserver ] && printf 'answer %s %s\n' "$server" "$(ask "$server")"
	done </etc/resolv.conf
	sleep 0.05 2>/dev/null || sleep 1
	printf 'knocked\n'
	show neighbour /proc/net/arp
fi
printf 'end\n'
