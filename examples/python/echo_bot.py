#!/usr/bin/env python3
"""A bot that repeats what it is told, until Ctrl-C.

    export PYTHONPATH=$(pkg-config --variable=pythondir chat)
    CHAT_PASSWORD='correct horse battery' ./echo_bot.py 'chat://echo@127.0.0.1:7878?fp=SHA256:...' echo.profile

Say "!echo something" in the lobby, or anything to @echo alone.
"""

import os
import sys

import chat


def answer(client, event):
    # Our own words come back, too. Who answers them never stops.
    if event.sender == client.account:
        return
    if event.text.startswith("!echo "):
        client.send(event.place, event.text[6:], reply_to=event.seq)
    elif event.place.startswith("@"):
        client.send(event.place, event.text, reply_to=event.seq)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: echo_bot.py LINK PROFILE")
    client = chat.Client(
        sys.argv[1],
        password=os.environ.get("CHAT_PASSWORD"),
        register=True,
        # The profile keeps the bot's key, what it has said, and how far it has read.
        profile=sys.argv[2],
        trust=chat.TRUST_ACCEPT_NEW,
    )
    client.connect()
    try:
        for event in client:
            if event.type == chat.EVENT_CONNECTED:
                print("here as", event.account, flush=True)
            elif event.type == chat.EVENT_MESSAGE:
                answer(client, event)
            elif event.type == chat.EVENT_CLOSED and event.error:
                sys.exit(f"echo_bot: {event.error}")
    except KeyboardInterrupt:
        # Says what it still has to say.
        client.close(flush=3)
    client.free()


if __name__ == "__main__":
    main()
