"""A Redis that is nearly full: what is new is refused, what protects and what frees goes on, and it ends by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.tokens import make
from tests.contract.engines import witness
from tests.support import Peer, Server, Valkey, until_async

SECRET = "one secret of more than thirty-two characters"
FILLING_BYTES = 48 * 2**20


async def test_a_store_that_is_nearly_full_can_be_moderated(
    server: Callable[..., Server], own_valkey: Valkey, room: str
) -> None:
    """Sends, edits, reactions, topics and new rooms are refused; deletions, bans, reads and read marks are not."""
    here = server(redis_url=own_valkey.url, workers=2, token_secret=SECRET)
    ada, eve, mod = await Peer.open(here.ws, "Ada"), await Peer.open(here.ws, "Eve"), await Peer.bare(here.ws)
    await mod.ask("hello", token=make(SECRET, "mod", 600, {"name": "Mod", "rooms": {"*": "moderate"}}))
    for peer in (ada, eve, mod):
        assert (await peer.ask("join", room=room))["type"] == "joined"
    for number in range(3):
        assert (await ada.ask("send", room=room, cid=f"a{number}", text="x"))["type"] == "ack"

    with witness(own_valkey.url) as client:
        client.setrange("filling", FILLING_BYTES, b"x")
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] / 0.93))
        await until_async(lambda: here.metric("parley_redis_full") == 2, "both workers know")

        refused: list[dict[str, Any]] = [
            await ada.ask("send", room=room, cid="more", text="x"),
            await ada.ask("edit", room=room, cid="edit", seq=1, text="y"),
            await ada.ask("react", room=room, cid="react", seq=1, emoji="\U0001f44d", on=True),
            await mod.ask("topic", room=room, cid="topic", topic="x"),
            await ada.ask("join", room=f"{room}-new"),
        ]
        assert [(one["code"], one["temporary"]) for one in refused] == [("unavailable", True)] * 5
        assert {"nearly full" in one["message"] for one in refused} == {True}
        await until_async(
            lambda: here.metric("parley_limits_hit_total", limit="store_full") == 5, "the refusals are counted"
        )

        assert (await ada.ask("delete", room=room, cid="own", seq=1))["type"] == "ack"
        assert (await mod.ask("delete", room=room, cid="foreign", seq=2))["type"] == "ack"
        assert (await mod.ask("ban", room=room, user=eve.welcome["user"]))["type"] == "ban"
        assert (await eve.push("left"))["reason"] == "banned"
        assert (await ada.ask("read", room=room, seq=2))["type"] == "read"
        bob = await Peer.open(here.ws, "Bob")
        assert (await bob.ask("join", room=room))["type"] == "joined"
        assert len((await bob.ask("history", room=room))["messages"]) == 5
        assert here.get("/readyz")[0] == 200

        client.delete("filling")
        await until_async(lambda: here.metric("parley_redis_full") == 0, "there is room again")
    assert (await ada.ask("send", room=room, cid="more", text="x"))["seq"] == 6
    assert (await ada.ask("join", room=f"{room}-new"))["type"] == "joined"
    told = [line["event"] for line in here.logged() if line["event"].startswith("redis ")]
    assert sorted(told) == ["redis has room again"] * 2 + ["redis is nearly full"] * 2
    assert here.metric("parley_workers_lost_total") == 0
    for peer in (ada, eve, mod, bob):
        await peer.close()
