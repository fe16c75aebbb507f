"""The chat of a terminal: what the client tells goes to the screen, what the user types goes to the client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from app.client import Client, ClientError, Refused
from app.client.link import Message
from app.client.room import Room
from app.client.timeline import Row
from app.errors import BadRequest
from app.protocol.names import direct_handles, room_name
from app.terminal import lists
from app.terminal.orders import Order, Words, Wrong, addressees, understand
from app.terminal.plain import say
from app.terminal.screen import Screen
from app.terminal.status import fit, status
from app.terminal.text import inline
from app.terminal.transcript import Transcript, moderated, note

PAGE, DIRECT_PAGE = 50, 5
DIRECT_MAX = 20
TASKS_MAX = 200
TICK_SECONDS = 1.0
PING_TICKS = 10
LEAVE_SECONDS, MARK_SECONDS = 3.0, 1.0


class Talk:
    """One user at a terminal, in one or more rooms; `room` is the one that words go to."""

    def __init__(self, room: str, colours: bool) -> None:
        self.room = room
        self.screen = Screen(self._entered, self._typed, self._status, colours)
        self._client: Client | None = None
        self._transcript = Transcript()
        self._with: dict[str, str] = {}
        self._entering: set[str] = set()
        self._oldest: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._was_online = self._away = self._moving = False
        self._marked: dict[str, int] = {}
        self._marks = True
        self._ticks = 0
        self._tasks: set[asyncio.Task[None]] = set()

    # What the client tells

    def on(self, kind: str, detail: Message) -> None:
        """The client's callback."""
        match kind:
            case "event":
                self._event(detail)
            case "gap":
                self.screen.show([self._transcript.gap(detail, self._label_of_other(detail["room"]))])
            case "joined" if detail["since"] is None:
                self._joined(detail)
            case "refused" if detail["room"] not in self._entering:
                self._say(f"{self._label(detail['room'])}: {inline(str(detail['error']))}")
            case "welcome":
                self._transcript.user = detail["user"]
            case "mentioned":
                self._mentioned(detail)
            case "direct":
                self._addressed(detail)
            case "moderated":
                self._say(moderated(detail))
            case "going-away":
                self._moving = True
            case "state":
                self._state(detail["state"])
        self.screen.refresh()

    def _event(self, event: Message) -> None:
        room = self._there().rooms.get(event["room"])
        if room is not None:
            self.screen.show(self._transcript.event(event, room.timeline, self._label_of_other(room.name)))

    def _joined(self, joined: Message) -> None:
        name = joined["room"]
        self._oldest[name] = joined["messages"][0]["seq"] if joined["messages"] else joined["seq"] + 1
        lines = self._transcript.page(joined["messages"], self._label_of_other(name))
        if not lines and name == self.room:
            lines = [note("nobody has said anything here yet")]
        if joined.get("topic") and name == self.room:
            lines.append(note(f"the topic is: {inline(joined['topic'])}"))
        self.screen.show(lines)

    def _mentioned(self, push: Message) -> None:
        if direct_handles(push["room"]) is not None:
            self._addressed({"room": push["room"], "with": {"user": push["user"], "name": push["name"]}})
            return
        who, where = inline(push["name"], 40), inline(push["room"], 64)
        self.screen.show([note(f"{who} mentioned you in #{where}: /join {where}", "mention")])

    def _addressed(self, push: Message) -> None:
        """Somebody writes to this user alone: listen there, too."""
        rooms, room = self._there().rooms, push["room"]
        if room in rooms or sum(own in rooms for own in self._with) >= DIRECT_MAX:
            return
        self._with[room] = push["with"]["name"]
        name = inline(push["with"]["name"], 40)
        self.screen.show([note(f"{name} writes to you alone; /join @{name} to answer", "mention")])
        self._start(self._enter(room, limit=DIRECT_PAGE))

    async def _greet(self) -> None:
        """Learn which direct rooms there are from before, and tell of what is unread there."""
        for own in (await self._there().list()).get("direct", ()):
            self._with[own["room"]] = own["with"]["name"]
            if own.get("unread"):
                name = inline(own["with"]["name"], 40)
                self.screen.show([note(f"{own['unread']} unread from {name}: /join @{name}", "mention")])

    def _state(self, state: str) -> None:
        if state == "online":
            if self._away:
                self.screen.show([note("connected again")])
            self._was_online, self._away, self._moving = True, False, False
            self._ticks = PING_TICKS - 1  # measure soon, but not while the rooms still load
        elif state == "waiting" and self._moving:
            self._moving = False  # a server that goes as announced is left for another: only a failure is worth a word
        elif state == "waiting" and self._was_online and not self._away:
            self._away = True
            self._say("the connection is lost; it comes back by itself")
        elif state == "offline":
            self.screen.end()

    # The status line

    def _status(self, columns: int) -> str:
        client = self._there()
        now = asyncio.get_running_loop().time()
        return fit(status(client, client.rooms.get(self.room), self._label(self.room), now), columns)

    def _label(self, room: str) -> str:
        return f"@{inline(self._with[room], 40)}" if room in self._with else f"#{inline(room, 64)}"

    def _label_of_other(self, room: str) -> str:
        return "" if room == self.room else self._label(room)

    # What the user types

    def _typed(self, line: str) -> None:
        if line and (not line.startswith("/") or line.startswith("//")):
            self._there().typing(self.room)

    def _entered(self, line: str) -> None:
        match understand(line):
            case Words(text):
                self._start(self._send(self.room, text))
            case Wrong(message):
                self._say(message)
            case Order("quit"):
                self.screen.end()
            case Order("help"):
                self.screen.show(lists.orders())
            case Order("join", rest):
                self._turn_to(rest)
            case Order("leave"):
                self._leave()
            case Order(name, rest):
                self._start(self._obey(name, rest))

    def _say(self, words: str) -> None:
        self.screen.show([note(words, "warning")])

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Carry something out, in a task that this object owns; what is refused is shown."""
        if len(self._tasks) >= TASKS_MAX:
            work.close()
            self._say("too much is under way already; try again later")
            return
        task = asyncio.create_task(self._guarded(work), name="order")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except ClientError as error:
            self._say(inline(str(error)))
        except Exception as error:  # a bug: the terminal is kept, and the user told
            self._say(f"that failed: {inline(repr(error))}")

    async def _send(self, room: str, text: str) -> None:
        try:
            self._sent[room] = (await self._there().send(room, text)).seq
        except ClientError as error:
            self._say(f"not sent: {inline(text, 60)} ({inline(str(error))})")

    async def _obey(self, name: str, rest: str) -> None:
        client = self._there()
        match name:
            case "who":
                self.screen.show([lists.who(self._here())])
            case "msg":
                await self._message(rest)
            case "rooms":
                self.screen.show(lists.rooms(await client.list()))
            case "topic" if rest:
                await client.topic(self.room, "" if rest == "-" else rest)
            case "topic":
                topic = self._here().topic
                self.screen.show([note(f"the topic is: {inline(topic)}" if topic else "no topic is set")])
            case "edit":
                row = self._last(mine=True)
                await client.edit(self.room, row.seq, rest, mid=row.mid)
            case "delete":
                row = self._last(mine=True)
                await client.delete(self.room, row.seq, mid=row.mid)
            case "react":
                row = self._last(mine=False)
                await client.react(self.room, row.seq, rest, mid=row.mid)
            case "older":
                await self._older()

    # Rooms. What is typed next goes to the room turned to, whether it could be entered yet or not.

    def _turn_to(self, name: str) -> None:
        if name.startswith("@"):
            called = [room for room, person in self._with.items() if person.casefold() == name[1:].casefold()]
            if len(called) != 1:
                self._say(f"write to {inline(name[1:], 40)} first: /msg NAME TEXT")
                return
            name = called[0]
        try:
            name = room_name(name.removeprefix("#"))
        except BadRequest as error:
            self._say(str(error))
            return
        if name in self._there().rooms:
            self._face(name)
        else:
            self._start(self._enter_or_return(name, self.room))
            self.room = name

    async def _enter_or_return(self, name: str, before: str) -> None:
        try:
            await self._enter(name, PAGE)
        except BaseException:
            if self.room == name:
                self.room = before
            raise

    def _face(self, name: str) -> None:
        self.room = name
        self.screen.show([note(f"you are in {self._label(name)} now")])

    async def _enter(self, name: str, limit: int) -> None:
        self._entering.add(name)
        try:
            await self._there().join(name, limit=limit)
        finally:
            self._entering.discard(name)

    def _leave(self) -> None:
        others = [name for name in self._there().rooms if name != self.room]
        if not others:
            self._say("this is the only room; /quit leaves it")
            return
        self._start(self._there().leave(self.room))
        self._with.pop(self.room, None)
        self._face(others[-1])

    async def _message(self, rest: str) -> None:
        client = self._there()
        users, text = addressees(rest, self._people())
        if users and not text:
            raise Refused("bad_request", "/msg NAME TEXT")
        if len(users) != 1:
            about = "nobody here is called so" if not users else f"there are {len(users)}, by id: {', '.join(users)}"
            raise Refused("bad_request", f"{inline(rest, 40)}: {about}")
        reply = await client.direct(users[0])
        room = reply["room"]
        self._with[room] = reply["with"]["name"]
        await self._enter(room, limit=DIRECT_PAGE)
        await self._send(room, text)

    def _people(self) -> dict[str, str]:
        """Everybody this user may mean: who is in the rooms, and who wrote there."""
        people: dict[str, str] = {}
        for room in self._there().rooms.values():
            people |= {row.user: row.name for row in room.timeline}
            people |= room.people
        people.pop(self._there().user, None)
        return people

    def _last(self, mine: bool) -> Row:
        """The last message, or this user's own. Raises Refused while that is still on its way here."""
        me = self._there().user
        rows = [row for row in self._here().timeline if row.user == me or not mine]
        if mine and (self._there().pending or self._sent.get(self.room, 0) > (rows[-1].seq if rows else 0)):
            raise Refused("unavailable", "your last message is not here yet")
        left = [row for row in rows if not row.deleted]
        if not left:
            raise Refused("bad_request", "there is no message to do that with")
        return left[-1]

    async def _older(self) -> None:
        name = self._here().name
        page = await self._there().history(name, before=self._oldest[name], limit=PAGE)
        lines = Transcript().page(page["messages"])
        if page["messages"]:
            self._oldest[name] = page["messages"][0]["seq"]
        if lines:
            lines = [note("--- earlier ---", "day"), *lines, note("--- now ---", "day")]
        self.screen.show(lines or [note("that was all")])

    def _there(self) -> Client:
        assert self._client is not None
        return self._client

    def _here(self) -> Room:
        """The room that words go to. Raises Refused if it cannot be entered any more."""
        room = self._there().rooms.get(self.room)
        if room is None:
            raise Refused("not_joined", f"you are not in {self._label(self.room)}")
        return room

    # Running

    def attach(self, client: Client) -> None:
        """The client whose callback `on` is."""
        self._client = client

    async def run(self, stop: asyncio.Event) -> int:
        """Until the user leaves, `stop` is set or the server sends him away; the exit code. The client is connected."""
        client = self._there()
        helpers = [asyncio.create_task(self._tick(), name="tick"), asyncio.create_task(stop.wait(), name="stop")]
        helpers[1].add_done_callback(lambda _: self.screen.end())
        try:
            self._start(self._greet())
            await self.screen.run()
            if client.state == "online":
                await self._finish()
        finally:
            for task in (*helpers, *self._tasks):
                task.cancel()
        if client.refusal is not None:
            say(f"the server ended the connection: {inline(str(client.refusal))}")
            return 1
        if client.pending:
            say(f"{client.pending} not acknowledged; may or may not be stored")
        return 0

    async def _finish(self) -> None:
        """What was typed is sent, and what was shown is marked as read, unless that takes too long."""
        if self._there().pending:
            await asyncio.wait(self._tasks, timeout=LEAVE_SECONDS)
        with contextlib.suppress(Refused, TimeoutError):
            async with asyncio.timeout(MARK_SECONDS):
                await self._mark()

    async def _tick(self) -> None:
        """Now and then: measure the round trip, and mark as read what was shown."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._ticks += 1
            try:
                if self._ticks % PING_TICKS == 0:
                    await self._there().ping()
                await self._mark()
            except Refused as error:
                self._marks = self._marks and error.temporary

    async def _mark(self) -> None:
        for name, room in self._there().rooms.items():
            seq = room.position.seq if room.position else 0
            if self._marks and room.joined and seq > max(room.read, self._marked.get(name, 0)):
                await self._there().read(name, seq)
                self._marked[name] = seq
