from ipaddress import IPv4Network
from itertools import islice

import pytest

from bottle_core import ipam
from bottle_core.errors import NoSubnetError


def pool(text: str) -> ipam.Pool:
    return ipam.Pool.parse(text)


def test_every_subnet_of_the_pool_comes_exactly_once() -> None:
    found = []
    with pytest.raises(NoSubnetError):
        for subnet in ipam.candidates(pool("10.231.0.0/22"), [], [], 7):
            found.append(subnet)
    assert len(found) == len(set(found)) == 128
    assert all(subnet.subnet_of(IPv4Network("10.231.0.0/22")) for subnet in found)


@pytest.mark.parametrize("seed", range(20))
def test_used_and_routed_subnets_are_left_out(seed: int) -> None:
    used, routed = [IPv4Network("10.231.0.0/28")], [IPv4Network("10.231.0.16/28")]
    found = list(islice(ipam.candidates(pool("10.231.0.0/26"), used, routed, seed), 4))
    assert sorted(found) == [IPv4Network(f"10.231.0.{n}/29") for n in (32, 40, 48, 56)]


def test_a_full_pool_says_what_fills_it_and_what_to_try() -> None:
    with pytest.raises(NoSubnetError) as failure:
        next(ipam.candidates(pool("10.231.0.0/28"), [IPv4Network("10.231.0.0/29")], [IPv4Network("10.0.0.0/8")], 1))
    assert "1 are in use" in str(failure.value)
    assert "1 clash with a route" in str(failure.value)
    assert "BOTTLE_SUBNET_POOL" in str(failure.value)


def test_two_seeds_walk_in_different_orders() -> None:
    walks = {tuple(islice(ipam.candidates(pool("10.231.0.0/16"), [], [], seed), 5)) for seed in range(10)}
    assert len(walks) == 10


@pytest.mark.parametrize("text", ["10.0.0.0/29", "8.8.0.0/16", "127.0.0.0/16", "169.254.0.0/16", "10.0.0.1/16", "x"])
def test_a_pool_that_cannot_serve_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        pool(text)


def test_the_roles_in_a_subnet_leave_the_gateway_free() -> None:
    subnet = IPv4Network("10.231.4.8/29")
    hosts = list(subnet.hosts())
    assert (ipam.sidecar_address(subnet), ipam.agent_address(subnet)) == (hosts[1], hosts[2])


def test_host_routes_are_read_without_the_default_route(tmp_path) -> None:
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "tun0\t0000E70A\t00000000\t0000\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert ipam.host_routes(table) == [IPv4Network("192.0.2.0/24")]
    assert ipam.host_routes(tmp_path / "absent") == []
