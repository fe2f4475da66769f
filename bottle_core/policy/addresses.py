"""Addresses in a policy: ranges that are not globally reachable and granted all the same (NET-007), and resolvers."""

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

# Special-purpose ranges (RFC 6890 and its registries) in which a destination can really be. Not in here: loopback,
# which is the proxy's own, and multicast, broadcast and "this network", which are no destinations of a connection.
_GRANTABLE = tuple(
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "198.18.0.0/15"),
        *("192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"),
        *("fc00::/7", "fe80::/10", "2001:db8::/32", "64:ff9b:1::/48"),
    )
)
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

Network = IPv4Network | IPv6Network


def parse_private(text: str) -> Network:
    """The range that an address or CIDR names; raises ValueError with a reason for users."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("this is neither an IP address nor a range such as 10.1.2.0/24") from None
    single = str(network.network_address)
    if text != str(network) and not (text == single and network.prefixlen == network.max_prefixlen):
        raise ValueError(f"write the range in its canonical form, {network}")
    if any(_inside(network, loopback) for loopback in _LOOPBACK):
        raise ValueError("loopback is the egress proxy's own; a service of the host has another address")
    if not is_private(network):
        raise ValueError("only ranges that are not globally reachable are granted here; the others need no grant")
    return network


def is_private(network: Network) -> bool:
    """Whether the whole range is one that a proxy dials only if it is granted."""
    return any(_inside(network, range_) for range_ in _GRANTABLE)


def parse_resolver(text: str) -> IPv4Address:
    """The IPv4 address of a DNS server; raises ValueError with a reason for users."""
    try:
        address = IPv4Address(text)
    except ValueError:
        raise ValueError("this is not the IPv4 address of a DNS server") from None
    if address.is_loopback:
        raise ValueError("loopback is the egress proxy's own, where no DNS server listens")
    if address.is_multicast or address.is_unspecified or int(address) == 0xFFFFFFFF:
        raise ValueError("this address is no single destination")
    return address


def _inside(network: Network, other: Network) -> bool:
    if isinstance(network, IPv4Network) and isinstance(other, IPv4Network):
        return network.subnet_of(other)
    return isinstance(network, IPv6Network) and isinstance(other, IPv6Network) and network.subnet_of(other)
