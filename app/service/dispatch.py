"""From a request to its answer: the key, the operation, what came with it, what is done, what goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec
import structlog

from app.apikeys import ApiKey
from app.errors import BadRequest, ParleyError, TooLarge, Unavailable
from app.metrics import Counters
from app.protocol.names import room_name
from app.protocol.operations import OPERATIONS, Operation, find
from app.protocol.problems import MEDIA_TYPE, NotFound, WrongMethod, WrongType, told
from app.service.holders import Holders, check
from app.service.rates import Rates

UNDER_WAY_MAX = 1000
QUERY_MAX = 10
JSON = "application/json"
NO_STORE = {"cache-control": "no-store"}

_log = structlog.get_logger(component="api")


class Asked(NamedTuple):
    """A request. `path` is as it came; `headers` gives all values of a header."""

    method: str
    path: str
    query: str
    headers: Callable[[str], list[str]]
    body: bytes


class Answer(NamedTuple):
    """What is answered."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = NO_STORE
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Call:
    """An operation that may be carried out: whose key it is, and what came with it."""

    key: ApiKey
    room: str = ""
    user: str = ""
    query: Any = None
    body: Any = None
    idempotency: list[str] = field(default_factory=list)


Handler = Callable[[Call], Awaitable[Any]]


class Dispatch:
    """Answers every request below /api. `handlers` carry out operations by name; `body_bytes` bounds bodies."""

    def __init__(
        self, holders: Holders, rates: Rates, handlers: dict[str, Handler], counters: Counters, body_bytes: int
    ) -> None:
        assert handlers.keys() == {operation.name for operation in OPERATIONS}
        self._holders = holders
        self._rates = rates
        self._handlers = handlers
        self._counters = counters
        self._body_bytes = body_bytes
        self._bodies = {one.name: msgspec.json.Decoder(one.body) for one in OPERATIONS if one.body is not None}
        self._under_way = 0

    async def answer(self, asked: Asked) -> Answer:
        """Never raises."""
        begun = perf_counter()
        self._under_way += 1
        try:
            answer = await self._answer(asked)
        except ParleyError as error:
            if error.limit:
                self._counters.hit(error.limit)
            answer = refused(error)
        except Exception:
            _log.exception("a request failed", request=asked.method, seldom="api")
            answer = refused(ParleyError("the server failed"))
        finally:
            self._under_way -= 1
        self._counters.api(answer.status)
        self._counters.api_seconds.observe(perf_counter() - begun)
        return answer

    async def _answer(self, asked: Asked) -> Answer:
        if self._under_way > UNDER_WAY_MAX:
            raise Unavailable("too many requests are under way", limit="api_under_way")
        methods, names = find(asked.path)
        if not methods:
            raise NotFound("nothing is here: /openapi.json says what is where")
        operation = methods.get("GET" if asked.method == "HEAD" else asked.method)
        if operation is None:
            raise WrongMethod(sorted({*methods, *(("HEAD",) if "GET" in methods else ())}))
        key = await self._holders.holder(asked.headers("authorization"))
        self._rates.take(key)
        room = room_name(names["room"]) if "room" in names else ""
        check(key, operation, room)
        call = Call(
            key,
            room,
            names.get("user", ""),
            _query(operation, asked.query),
            self._body(operation, asked),
            asked.headers("idempotency-key") if operation.idempotent else [],
        )
        found = await self._handlers[operation.name](call)
        if found is None:
            return Answer(operation.status)
        # What was done before is nothing new.
        status = 200 if operation.idempotent and found.dup else operation.status
        return Answer(status, msgspec.json.encode(found))

    def _body(self, operation: Operation, asked: Asked) -> Any:
        if len(asked.body) > self._body_bytes:
            raise TooLarge(f"a body has at most {self._body_bytes} bytes")
        if operation.body is None:
            return None
        kinds = asked.headers("content-type")
        if [kind.partition(";")[0].strip().lower() for kind in kinds] != [JSON]:
            raise WrongType("the body is JSON: Content-Type: application/json")
        try:
            return self._bodies[operation.name].decode(asked.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(str(error)[:200] or "the body is not JSON") from None


def refused(error: ParleyError) -> Answer:
    """The answer that tells an error."""
    body, headers = told(error)
    return Answer(body.status, msgspec.json.encode(body), {**NO_STORE, **headers}, MEDIA_TYPE)


def _query(operation: Operation, query: str) -> Any:
    try:
        given = parse_qsl(query, keep_blank_values=True, max_num_fields=QUERY_MAX, errors="strict")
        values = dict(given)
        if len(values) < len(given):
            raise BadRequest("a parameter is given once")
        if operation.query is None:
            if values:
                raise BadRequest("this takes no parameters in the address")
            return None
        return msgspec.convert(values, operation.query, strict=False)
    except ValueError as error:
        raise BadRequest(str(error)[:200]) from None
