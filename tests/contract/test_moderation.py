"""Bans, mutes and the record of what was done, on every engine."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import msgspec
import pytest

from app.backplane import keys, moderation
from app.backplane.moderation import KICK_SECONDS, Store, read_news
from app.errors import Forbidden, NotConfirmed, Unavailable
from app.sanctions import BAN, KICK, MUTE, UNBAN, UNMUTE, Held, Sanction
from tests.contract.engines import witness
from tests.contract.stage import RedisStage, Stage
from tests.support import until_async


@pytest.fixture(autouse=True)
async def nothing_holds(request: pytest.FixtureRequest) -> None:
    """All tests share what holds: each ends it before."""
    if "url" in request.fixturenames:
        with witness(request.getfixturevalue("url")) as client:
            client.delete(keys.SANCTIONS, keys.SANCTION_ENDS, keys.FORMER_DEEDS, keys.deeds(""))


async def emptied(stage: Stage) -> tuple[Store, Store]:
    """Two workers' stores, in which nothing holds."""
    one, other = await stage.moderation(), await stage.moderation()
    known = await one.read()
    if known.held:
        await one.lift(Sanction(UNBAN), list(known.held))
    return one, other


async def test_what_one_worker_imposes_all_know(stage: Stage, room: str) -> None:
    """With its time, its end and its version; another of the same key takes its place."""
    one, other = await emptied(stage)
    mute, ban = Sanction(MUTE, room, "u\u00e9 1", by="m", reason='"no"'), Sanction(BAN, room, "u2")
    muted = await one.impose(mute, 60)
    banned = await other.impose(ban, 0)
    assert abs(muted.until - muted.at - 60) < 1
    assert abs(muted.at - time.time()) < 5
    assert (muted.changed, banned.until) == (1, math.inf)
    known = await other.read()
    assert known.held == {mute.key: Held(mute, muted.at, muted.until), ban.key: Held(ban, banned.at, math.inf)}
    assert known.version == round(banned.at * 1000) == await one.version()
    again = await one.impose(mute, 0.5)
    assert again.at > banned.at > muted.at
    assert (await one.read()).held[mute.key].until == again.until < muted.until


async def test_each_change_is_published_with_the_version_it_was_made_of(stage: Stage, room: str) -> None:
    """What changes nothing is not."""
    one, other = await emptied(stage)
    heard = await stage.eavesdrop()
    mute, end = Sanction(MUTE, room, "u1"), Sanction(UNMUTE, room, "u1", by="m")
    before = await one.version()
    done = [await one.impose(mute, 60), await other.lift(end, [mute.key, "mute x y"])]
    assert (await one.lift(end, [mute.key])).changed == 0
    await one.note(Sanction("delete", room, "u1", seq=7))
    await one.impose(mute, 0)
    await until_async(lambda: len(heard) == 3, "all changes are heard")
    first, second, third = map(read_news, heard)
    assert (first.before, first.held, first.keys) == (before, Held(mute, done[0].at, done[0].until), [mute.key])
    assert (second.before, second.held, second.sanction) == (first.after, None, end)
    assert second.keys == [mute.key, "mute x y"]
    assert done[1].changed == 1
    assert [(one.before, one.after) for one in (first, second)] == [(one.before, one.after) for one in done]
    assert third.before == second.after
    assert third.held is not None
    assert third.held.until == math.inf


async def test_what_was_done_is_written_down(stage: Stage, room: str) -> None:
    """Newest first, page by page, with its time; a lift that ended nothing is not among it."""
    one, other = await emptied(stage)
    deeds = [Sanction(KICK, room, "u1", by="m", by_name="M"), Sanction(MUTE, room, "u1"), Sanction(UNMUTE, room, "u1")]
    await one.impose(deeds[0], 0)
    await one.impose(deeds[1], 60)
    await other.lift(deeds[2], [deeds[1].key])
    await other.lift(deeds[2], [deeds[1].key])
    deeds.append(Sanction("delete", room, "u2", seq=5))
    await one.note(deeds[3])
    found = await other.written(room, "", 5)
    assert [each.sanction for each in found] == deeds[::-1]
    assert abs(found[2].until - found[2].at - 60) < 1
    assert found[3].until - found[3].at == pytest.approx(KICK_SECONDS, abs=1)
    assert [each.sanction for each in await one.written(room, found[1].id, 3)] == [deeds[1], deeds[0]]
    assert await one.written(room + "-2", "", 5) == []


async def test_each_room_has_a_record_of_its_own(stage: Stage, room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is done in others, and everywhere: it hides nothing of it, and displaces nothing."""
    monkeypatch.setattr(moderation, "WRITTEN_MAX", 100)
    one, _ = await emptied(stage)
    here, all_over = Sanction(MUTE, room, "u1"), Sanction(BAN, "", "u2", reason=room)
    await one.impose(here, 60)
    await one.impose(all_over, 60)
    for number in range(1100):
        await one.note(Sanction("delete", f"{room}-2", "u1", seq=number))
    assert [each.sanction for each in await one.written(room, "", 200)] == [here]
    assert (await one.written("", "", 1))[0].sanction == all_over
    assert 100 <= len(await one.written(f"{room}-2", "", 1000)) <= 320


async def test_what_an_older_release_wrote_down_is_read_and_ends(real: RedisStage, room: str) -> None:
    """It is before all else of its room, page by page; half a year after the release that wrote it."""
    store = await real.moderation()
    old = [Sanction(KICK, room, f"u{number}") for number in range(2)]
    with witness(real.url) as client:
        for sanction in (old[0], Sanction(KICK, f"{room}-2", "u"), Sanction(KICK, "", "u"), old[1]):
            client.xadd(keys.FORMER_DEEDS, {"until": "0", "what": msgspec.json.encode(sanction)}, id="1000-*")
    assert [each.sanction for each in await store.written(room, "", 9)] == old[::-1]
    new = Sanction("delete", room, "u", seq=1)
    await store.note(new)
    found = await store.written(room, "", 9)
    assert [each.sanction for each in found] == [new, *old[::-1]]
    assert [each.sanction for each in await store.written(room, found[1].id, 9)] == [old[0]]
    assert [each.sanction for each in await store.written(room, "", 1)] == [new]
    assert [each.sanction.user for each in await store.written("", "", 9)] == ["u"]
    with witness(real.url) as client:
        for name in (keys.FORMER_DEEDS, keys.deeds(room)):
            assert 0 < client.ttl(name) <= moderation.WRITTEN_SECONDS


async def test_only_so_much_can_hold(stage: Stage, room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More is refused; what holds already can be renewed, and what is over makes room."""
    monkeypatch.setattr(moderation, "HELD_MAX", 4)
    monkeypatch.setattr(moderation, "HELD_FOR_EVERYWHERE", 1)
    one, _ = await emptied(stage)
    short = Sanction(MUTE, room, "short")
    await one.impose(short, 0.2)
    for user in ("u1", "u2"):
        await one.impose(Sanction(MUTE, room, user), 0)
    more = Sanction(MUTE, room, "u3")
    try:
        with pytest.raises(Forbidden):
            await one.impose(more, 0)
        await one.impose(Sanction(MUTE, room, "u2"), 60)
    finally:
        give_up = time.monotonic() + 10
        while True:
            try:
                await one.impose(more, 60)
                break
            except Forbidden:
                assert time.monotonic() < give_up
                await asyncio.sleep(0.05)
    assert set((await one.read()).held) == {Sanction(MUTE, room, user).key for user in ("u1", "u2", "u3")}


async def test_rooms_leave_something_to_what_holds_everywhere(
    stage: Stage, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When no more can hold in rooms, users can still be banned from the server."""
    monkeypatch.setattr(moderation, "HELD_MAX", 4)
    monkeypatch.setattr(moderation, "HELD_FOR_EVERYWHERE", 2)
    one, _ = await emptied(stage)
    for number in range(2):
        await one.impose(Sanction(MUTE, f"{room}-{number}", "u"), 0)
    with pytest.raises(Forbidden):
        await one.impose(Sanction(MUTE, f"{room}-2", "u"), 0)
    for number in range(2):
        await one.impose(Sanction(BAN, "", f"u{number}"), 0)
    with pytest.raises(Forbidden):
        await one.impose(Sanction(BAN, "", "u2"), 0)
    assert len((await one.read()).held) == 4


async def test_the_record_is_bounded(stage: Stage, room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number; Redis may keep a few more than that."""
    monkeypatch.setattr(moderation, "WRITTEN_MAX", 200)
    one, _ = await emptied(stage)
    for number in range(500):
        await one.note(Sanction("delete", room, "u1", seq=number))
    found = await one.written(room, "", 1000)
    assert 200 <= len(found) <= 320
    assert found[0].sanction.seq == 499


async def test_a_record_too_old_goes(real: RedisStage, room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By age, a whole node of the stream at a time."""
    store = await real.moderation()
    for number in range(300):
        await store.note(Sanction("delete", room, "u1", seq=number))
    monkeypatch.setattr(moderation, "WRITTEN_SECONDS", 0)
    await asyncio.gather(*(store.note(Sanction("delete", room, "u1", seq=999)) for _ in range(3)))
    assert len(await store.written(room, "", 1000)) < 300


async def test_a_redis_that_has_forgotten_the_script_is_told_again(real: RedisStage, room: str) -> None:
    """And one that has lost everything starts anew, with a version unlike any before."""
    store = await real.moderation()
    before = (await store.impose(Sanction(BAN, room, "u1"), 0)).at
    with witness(real.url) as client:
        client.script_flush()
        client.delete(keys.SANCTIONS, keys.SANCTION_ENDS)
    assert await store.read() == (0, {})
    assert (await store.impose(Sanction(BAN, room, "u2"), 0)).at > before


async def test_a_redis_that_is_away_is_said(impatient: RedisStage, room: str, engine: Any) -> None:
    """It is not known whether what was asked has happened; then that nothing was sent."""
    store = await impatient.moderation()
    engine.freeze()
    try:
        with pytest.raises((NotConfirmed, Unavailable)):
            await store.impose(Sanction(BAN, room, "u1"), 0)
        await until_async(lambda: not store._pipeline.up, "the silence is noticed")  # type: ignore[attr-defined]
        with pytest.raises(Unavailable):
            await store.read()
    finally:
        engine.thaw()
