"""Who may come in: looks at each handshake before it is answered, and at each request that would change something."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import structlog
from sanic import Request, Sanic
from sanic.compat import Header
from sanic.response import HTTPResponse

from app import origins
from app.addresses import client_address, network
from app.admission import Admission
from app.metrics import Counters
from app.responses import refusal

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
ADDRESS_RETRY_SECONDS = 10
SHOWN_CHARS = 100

_log = structlog.get_logger(component="gate")


class Gate:
    """Refuses: foreign pages (403), an address (429) or anybody (503) where there are too many already.

    `listed` are the origins whose pages may come in, none: those of this server alone. `proxies` is how many trusted
    ones there are before this server.
    """

    def __init__(self, admission: Admission, counters: Counters, listed: Collection[str], proxies: int) -> None:
        self._admission = admission
        self._counters = counters
        self._listed = frozenset(listed)
        self._proxies = proxies

    def address(self, headers: Header, peer: str) -> str:
        """Where a request with these fields comes from; `peer` is the address at the other end of its connection."""
        return client_address(peer, headers.getall("x-forwarded-for", ()) if self._proxies else (), self._proxies)

    def address_of(self, request: Request) -> str:
        """Where a request comes from that Sanic has read."""
        return self.address(request.headers, request.conn_info.client_ip if request.conn_info else "")

    def admits(self, headers: Header, address: str) -> bool:
        """Whether a handshake may go on."""
        admission = self._admission
        return self._permitted(headers) and not admission.full() and not admission.full_for(address)

    def refused(self, request: Request, address: str) -> HTTPResponse | None:
        """The answer to a handshake that may not go on, which is counted; None for one that may."""
        if self.admits(request.headers, address):
            return None
        if not self._permitted(request.headers):
            return self._foreign(request, address)
        if self._admission.full():
            self._counters.refused_worker += 1
            _log.info("refused", reason="worker full", connections=len(self._admission), seldom="worker full")
            return refusal(request, 503, "This server is full; try again.", {"retry-after": "1"})
        self._counters.refused_address += 1
        _log.info("refused", reason="too many from there", address=address, seldom=network(address))
        retry = {"retry-after": str(ADDRESS_RETRY_SECONDS)}
        return refusal(request, 429, "There are too many connections from your address.", retry)

    def guard_changes(self, app: Sanic[Any, Any]) -> None:
        """Refuse foreign pages whatever could change something; called when all routes are there."""

        def check(request: Request) -> HTTPResponse | None:
            if request.method in SAFE or self._permitted(request.headers):
                return None
            return self._foreign(request, self.address_of(request))

        names = [str(route.name) for route in app.router.routes if set(route.methods or ()) - SAFE]
        if names:
            app.register_named_middleware(check, names, "request")

    def _permitted(self, headers: Header) -> bool:
        claimed = headers.getall("origin", ())
        return not claimed or origins.permitted(claimed, self._listed, "" if self._listed else self.own_origin(headers))

    def own_origin(self, headers: Header) -> str:
        """The origin of this server's pages, as the client sees it."""
        proxies = self._proxies
        hosts, scheme = headers.getall("host", ()), "http"
        if proxies:
            scheme = origins.from_right(headers.getall("x-forwarded-proto", ("http",)), proxies)
            forwarded = headers.getall("x-forwarded-host", ())
            if forwarded:
                return origins.of_address(scheme, origins.from_right(forwarded, proxies))
        return origins.of_address(scheme, hosts[0]) if len(hosts) == 1 else ""

    def _foreign(self, request: Request, address: str) -> HTTPResponse:
        self._counters.refused_origin += 1
        claimed = ", ".join(request.headers.getall("origin", ()))[:SHOWN_CHARS]
        _log.info(
            "refused",
            reason="foreign origin",
            origin=claimed.encode("ascii", "backslashreplace").decode(),
            expected=sorted(self._listed) or [self.own_origin(request.headers)],
            address=address,
            seldom=network(address),
        )
        return refusal(request, 403, "Pages of this origin may not come in.")
