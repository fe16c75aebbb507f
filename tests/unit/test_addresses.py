"""Where clients come from: who is believed, and what one client is counted by."""

from __future__ import annotations

import pytest

from app.addresses import client_address, crowd, network, plain

PROXY = "10.0.0.1"


@pytest.mark.parametrize("forwarded", [[], ["203.0.113.9"], ["203.0.113.9, 203.0.113.8"], [""], ["unknown"]])
def test_without_trusted_proxies_only_the_connection_counts(forwarded: list[str]) -> None:
    """Whatever a client claims."""
    assert client_address("198.51.100.7", forwarded, 0) == "198.51.100.7"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (1, ["203.0.113.9"], "203.0.113.9"),
        (1, ["192.0.2.66, 203.0.113.9"], "203.0.113.9"),
        (1, ["192.0.2.66", "203.0.113.9"], "203.0.113.9"),
        (1, ["192.0.2.66,127.0.0.1 ,\t203.0.113.9 "], "203.0.113.9"),
        (2, ["192.0.2.66, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (2, ["192.0.2.66", "203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        (3, ["192.0.2.66, 203.0.113.9, 10.0.0.3, 10.0.0.2"], "203.0.113.9"),
    ],
)
def test_each_trusted_proxy_is_believed_one_entry_from_the_right(
    proxies: int, forwarded: list[str], address: str
) -> None:
    """What a client has put before them is never taken, in however many headers it comes."""
    assert client_address(PROXY, forwarded, proxies) == address


def test_one_that_went_past_the_outer_proxy_is_what_the_inner_one_saw() -> None:
    """There are fewer entries than proxies."""
    assert client_address(PROXY, ["203.0.113.9"], 2) == "203.0.113.9"


@pytest.mark.parametrize("entry", ["", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "127.1", "0x7f.1", "\udc80", "a:b"])
def test_an_entry_that_is_no_address_leaves_the_proxys(entry: str) -> None:
    """The last thing that is known."""
    assert client_address(PROXY, [entry], 1) == PROXY


def test_without_the_header_it_is_the_proxys() -> None:
    """As for its own checks of health."""
    assert client_address(PROXY, [], 1) == PROXY


def test_a_unix_socket_has_no_address() -> None:
    """Unless a proxy tells one."""
    assert client_address("", [], 0) == ""
    assert client_address("", ["203.0.113.9"], 1) == "203.0.113.9"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("::FFFF:CB00:7109", "203.0.113.9"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("203.0.113.09", ""),
        ("203.0.113.9 ", ""),
        ("2001:db8::1::2", ""),
        ("[", ""),
    ],
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    """However it is written."""
    assert plain(text) == address


def test_the_peers_own_address_is_brought_into_that_form() -> None:
    """A server that listens on both kinds of addresses sees IPv4 inside of IPv6."""
    assert client_address("::ffff:198.51.100.7", [], 0) == "198.51.100.7"


def test_ipv6_is_counted_by_the_64() -> None:
    """Whoever has one address of it has them all."""
    assert network("2001:db8:1:2:3:4:5:6") == network("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert network("2001:db8:1:3::1") != network("2001:db8:1:2::1")


def test_ipv4_is_counted_by_itself() -> None:
    """So is what has no address."""
    assert network("203.0.113.9") == "203.0.113.9"
    assert network("") == ""


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::/64"),
        ("127.0.0.2", "127.0.0.2"),
        ("172.32.0.1", "172.32.0.1"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("", ""),
        ("10.1.2.3", ""),
        ("172.17.0.1", ""),
        ("192.168.1.7", ""),
        ("169.254.1.1", ""),
        ("fd00::7", ""),
        ("fe80::7", ""),
    ],
)
def test_guests_are_counted_by_network_and_not_where_a_proxy_or_gateway_comes_from(address: str, counted: str) -> None:
    """Else all its clients would be one network, where the server does not know of it."""
    assert crowd(address) == counted
