"""Joins a room of a real server, sends texts, and checks what comes back. Prints JSON lines.

    chat_smoke.py HOST PORT FINGERPRINT USER PASSWORD ROOM [--texts N] [--others N] [--cut] [--rekey]

Exits with 0 when each of its texts was acknowledged once and came back once, when as many texts of
others came as were expected, and when all of them came in order without a hole.
"""

import argparse
import json
import sys
import time

import libchat_client as chat

NAME_TAKEN = 2


def main():
    args = arguments()
    client = chat.Client(args.host, args.port, trusted=args.fingerprint)
    try:
        welcome = client.connect(args.user, args.password, register=True, invite=args.invite)
    except chat.Refused as refused:
        if refused.code != NAME_TAKEN:
            raise
        welcome = client.connect(args.user, args.password)
    tell("connected", account=welcome["name"], fingerprint=client.trusted,
         durable=welcome["durable"])
    room = client.join(args.room)
    tell("joined", room=args.room, conv=room.hex())
    watch = Watch(args, room, welcome["account"])
    while True:
        members = client.request("GetMembers", target=("room", args.room), after=None)[1]["items"]
        if len(members) >= args.members:
            break
        # A newcomer's entry, most likely.
        event = client.next_event(args.timeout)
        if event is None:
            return fail(f"timeout: {len(members)} of {args.members} members")
        watch.handle(*event)
    for number in range(args.texts):
        watch.sent.append(client.send_text(("room", args.room), f"{args.user} {number}"))
        if args.cut and number == args.texts // 2:
            # With sends and entries under way in both directions.
            client.cut()
            welcome = client.connect(args.user)
            tell("reconnected", account=welcome["name"])
        if args.rekey and number % 10 == 0:
            client.rekey()
    until = time.monotonic() + args.timeout
    while not watch.is_done():
        event = client.next_event(max(0, until - time.monotonic()))
        if event is None:
            return fail(f"timeout: {watch.state()}")
        watch.handle(*event)
    # Nothing may come twice: ask for the log, and look whether the stream said the same.
    page = client.request("GetHistory", target=("room", args.room), **{"from": 1}, seq=0,
                          limit=100)[1]
    while (event := client.next_event(0.2)) is not None:
        watch.handle(*event)
    for item in page["items"]:
        entry = item["entry"]
        known = watch.entries.get(entry["seq"])
        if known is not None and known != entry["id"]:
            return fail(f"history and stream differ at {entry['seq']}")
    if not watch.is_done():
        return fail(f"too much came: {watch.state()}")
    client.leave()
    tell("ok", acked=len(watch.acked), entries=len(watch.entries))
    return 0


class Watch:
    """Everything that came of the room, and whether it should have."""

    def __init__(self, args, room, account):
        self.args, self.room, self.account = args, room, account
        self.sent, self.acked, self.own, self.others = [], {}, [], []
        self.entries = {}
        self.last = None

    def handle(self, name, fields):
        if name == "Error":
            raise chat.Refused(fields)
        if name == "Ack" and fields["conversation"] == self.room:
            check(fields["id"] not in self.acked, "a send was acknowledged twice")
            self.acked[fields["id"]] = fields["seq"]
            tell("ack", id=fields["id"].hex(), seq=fields["seq"])
        elif name == "Gap" and fields["conversation"] == self.room:
            tell("gap", to=fields["to"], reason=fields["reason"])
            self.last = fields["to"]
        elif name == "Entry" and fields["entry"]["conversation"] == self.room:
            self.handle_entry(fields["entry"])

    def handle_entry(self, entry):
        seq, prev = entry["seq"], entry["prev"]
        check(seq not in self.entries, f"the entry {seq} came twice")
        check(self.last is None or prev <= self.last < seq, f"{seq} does not follow {self.last}")
        check(prev < seq, f"{seq} follows {prev}")
        self.last = seq
        self.entries[seq] = entry["id"]
        if entry["body"]["kind"] != chat.TEXT:
            return
        text = entry["body"]["data"].decode()
        tell("message", seq=seq, prev=prev, text=text, **{"from": entry["from_name"]})
        if entry["from"] == self.account and entry["id"] in self.sent:
            check(self.acked.get(entry["id"]) == seq, "an own entry came before its ack")
            self.own.append(entry["id"])
        elif entry["from"] != self.account:
            self.others.append(text)

    def is_done(self):
        whole = len(self.acked) == len(self.sent) and len(self.others) >= self.args.others
        if whole and len(self.own) == len(self.sent):
            check(self.own == self.sent, "the own texts came in another order")
            return True
        return False

    def state(self):
        return (f"{len(self.acked)} acks and {len(self.own)} entries of {len(self.sent)} sends, "
                f"{len(self.others)} of {self.args.others} texts of others")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("host", "port", "fingerprint", "user", "password", "room"):
        parser.add_argument(name, type=int if name == "port" else str)
    parser.add_argument("--texts", type=int, default=20, help="how many to send")
    parser.add_argument("--members", type=int, default=1, help="wait until so many are in")
    parser.add_argument("--others", type=int, default=0, help="texts of others to wait for")
    parser.add_argument("--cut", action="store_true", help="lose the link half way")
    parser.add_argument("--rekey", action="store_true", help="take a new key now and then")
    parser.add_argument("--invite", help="the token of an invite")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds")
    return parser.parse_args()


def check(holds, text):
    if not holds:
        raise SystemExit(fail(text))


def tell(kind, **fields):
    print(json.dumps({"type": kind, **fields}, ensure_ascii=False), flush=True)


def fail(text):
    tell("failed", text=text)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (chat.Broken, chat.Refused, OSError) as error:
        sys.exit(fail(f"{type(error).__name__}: {error}"))
