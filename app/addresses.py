"""Where clients come from: the address behind trusted proxies, and the network that it is counted and banned with.

Pure. An address is in its one form: IPv4 as four numbers, also where it came inside of IPv6, else IPv6 as RFC 5952 has
it, without a zone.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network

KNOWN = 4096
"""Addresses whose form is remembered: clients come back, and are counted both when they come and when they go."""

_LONGEST = 64
_MAPPED = bytes(10) + b"\xff\xff"
_NETWORK_BYTES = 8
_NEAR = tuple(
    ip_network(block)
    for block in (
        *("127.0.0.1/32", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
"""This machine, and private networks: RFC 1918, RFC 3927, RFC 4193, RFC 4291 (2.5.6)."""


def client_address(peer: str, forwarded: Sequence[str], proxies: int) -> str:
    """The address of the client whose connection came from `peer`.

    Each trusted proxy has added, at the end of X-Forwarded-For, whom it was asked by. What stands further to the left
    is claimed by the client. Where something has gone past the outer proxies, the leftmost entry is what the first
    trusted one has added; where an entry is no address, the peer's is all that is known.

    Args:
        peer: the address at the other end of the connection; empty for a unix socket.
        forwarded: all values of X-Forwarded-For, in the order in which they came.
        proxies: how many proxies there are before this server, each of them trusted.
    """
    if proxies and forwarded:
        entries = ",".join(forwarded).rsplit(",", proxies)
        return plain(entries[-min(proxies, len(entries))].strip()) or plain(peer)
    return plain(peer) if ":" in peer else peer


def plain(text: str) -> str:
    """An address in its one form, without port and brackets; empty if it is none."""
    return _plain(text) if len(text) <= _LONGEST else ""


@lru_cache(KNOWN)
def _plain(text: str) -> str:
    try:
        if ":" not in text:
            socket.inet_pton(socket.AF_INET, text)
            return text
        if "." in text and text.count(":") == 1:
            return _plain(text.partition(":")[0])
        if text.startswith("["):
            text = text[1:].partition("]")[0]
        packed = socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):
        return ""
    if packed.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[len(_MAPPED) :])
    return socket.inet_ntop(socket.AF_INET6, packed)


@lru_cache(KNOWN)
def network(address: str) -> str:
    """What an address is counted and banned by: itself, or the /64 of IPv6, of which one client has all addresses."""
    if ":" not in address:
        return address
    packed = socket.inet_pton(socket.AF_INET6, address)
    return socket.inet_ntop(socket.AF_INET6, packed[:_NETWORK_BYTES] + bytes(_NETWORK_BYTES)) + "/64"


@lru_cache(KNOWN)
def crowd(address: str) -> str:
    """The network whose guests are counted together: that of an address; empty where none are.

    None are on this machine, be it over a unix socket, and in private networks: a proxy of which this server was not
    told, or the gateway of containers, comes from there with all whom it brings.
    """
    if not address or any(ip_address(address) in block for block in _NEAR):
        return ""
    return network(address)
