#!/usr/bin/env python3
"""A bot with asyncio: it reminds people, and goes on listening meanwhile.

    export PYTHONPATH=$(pkg-config --variable=pythondir chat)
    CHAT_PASSWORD='correct horse battery' ./asyncio_bot.py 'chat://clock@127.0.0.1:7878?fp=SHA256:...' clock.profile

Say "!remind 10 the tea" in the lobby; "!quit" ends it.
"""

import asyncio
import os
import sys

import chat


async def remind(client, event, seconds, text):
    await asyncio.sleep(seconds)
    client.send(event.place, f"{event.sender}: {text}", reply_to=event.seq)


async def main():
    if len(sys.argv) != 3:
        sys.exit("usage: asyncio_bot.py LINK PROFILE")
    tasks = set()
    with chat.Client(
        sys.argv[1],
        password=os.environ.get("CHAT_PASSWORD"),
        register=True,
        profile=sys.argv[2],
        trust=chat.TRUST_ACCEPT_NEW,
    ) as client:
        client.connect()
        # The descriptor of the client is watched by the loop; no thread waits anywhere.
        async for event in client:
            if event.type == chat.EVENT_CONNECTED:
                print("here as", event.account, flush=True)
            elif event.type == chat.EVENT_CLOSED and event.error:
                print(f"asyncio_bot: {event.error}", file=sys.stderr)
            elif event.type == chat.EVENT_MESSAGE and event.sender != client.account:
                words = event.text.split(maxsplit=2)
                if words[:1] == ["!quit"]:
                    break
                if words[:1] == ["!remind"] and len(words) == 3 and words[1].replace(".", "", 1).isdigit():
                    task = asyncio.create_task(remind(client, event, float(words[1]), words[2]))
                    # The loop itself keeps no task alive.
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
