"""The Python client of Parley: protocol version 1, in the words of the protocol and of the browser client.

A bot that greets whoever greets it, and stays connected over restarts, deploys and lost networks:

    import asyncio
    from app.client import Client

    async def main() -> None:
        inbox: asyncio.Queue[dict] = asyncio.Queue(1000)

        def on(kind: str, detail: dict) -> None:
            # Called for everything that happens; each event of a room exactly once, in order.
            if kind == "event" and detail["type"] == "message" and not inbox.full():
                inbox.put_nowait(detail)
            elif kind == "gap":
                print("events that can no longer be had in", detail["room"], "after", detail["after"])

        async with Client(["ws://127.0.0.1:8000/ws"], name="Greeter", on=on) as bot:
            joined = await bot.join("lobby", limit=10)
            print(len(joined["messages"]), "messages so far")
            while True:
                message = await inbox.get()
                if message["user"] != bot.user and message["text"].lower() == "hello":
                    ack = await bot.send("lobby", f"Hello, {message['name']}!")
                    print("stored as", ack.seq)

    asyncio.run(main())
"""

from app.client.client import Client
from app.client.errors import ClientError, Closed, OutboxFull, Refused, Unconfirmed
from app.client.link import Tuning
from app.client.outbox import Ack

__all__ = ["Ack", "Client", "ClientError", "Closed", "OutboxFull", "Refused", "Tuning", "Unconfirmed"]
