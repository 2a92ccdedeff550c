"""A small client of the libchat protocol, written from PROTOCOL.md alone. One thread, no magic.

It shares nothing with the engine, so what the two agree on is what that page says.
"""

import base64
import collections
import hashlib
import os
import select
import socket
import time

from noise.connection import Keypair, NoiseConnection

import wire_codec as wire

GREETING = b"libchat\0" + bytes([1]) + (1).to_bytes(2, "big")
NOISE = b"Noise_XX_25519_ChaChaPoly_BLAKE2b"
HANDSHAKE_BYTES = 4096
PACK_BYTES = 16 * 1024
FIRST_RECORD_BYTES = 8192
CREDIT_STEP = 64 * 1024
REKEY = wire.encode_frame("Rekey")

TEXT, EDIT, REDACTION, REACTION = 1, 3, 4, 5
JOINED, LEFT = 1, 2
RESTORED = 3
NO_SUCH_ROOM, ROOM_EXISTS, AFTER_REFUSED = 20, 23, 40


class Refused(Exception):
    """The server said no."""

    def __init__(self, fields):
        super().__init__(f"{fields['code']}: {fields['text']}")
        self.code, self.retry_ms = fields["code"], fields["retry_ms"]


class Broken(Exception):
    """The link is gone, or one of the two broke the protocol."""


def fingerprint(key):
    digest = base64.urlsafe_b64encode(hashlib.sha256(key).digest())
    return "SHA256:" + digest.rstrip(b"=").decode()


def body(kind, data=b"", target=None):
    return {"kind": kind, "target": target, "blob": None, "data": data, "ext": []}


def cost(entry):
    extensions = entry["body"]["ext"]
    return 128 + len(entry["body"]["data"]) + sum(6 + len(data) for _, data in extensions)


class Link:
    """Greeting, handshake and records: frames in, frames out."""

    def __init__(self, host, port, trusted, key, timeout):
        self.timeout = timeout
        self.heard = time.monotonic()
        self.record_bytes = FIRST_RECORD_BYTES
        self.buffer = bytearray()
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._handshake(trusted, key)
        except BaseException:
            self.socket.close()
            raise

    def _handshake(self, trusted, key):
        # The library mixes the prologue in before message 1, so that can't go along with the
        # greeting.
        self._write(GREETING)
        answer = self._exactly(9)
        if answer[:8] != GREETING[:8]:
            raise Broken("that is no server of this protocol")
        if answer[8] != 1:
            raise Broken("the server speaks another version")
        answer += self._exactly(2)
        if answer != GREETING:
            raise Broken("the server took a handshake that was not offered")
        self.noise = NoiseConnection.from_name(NOISE)
        self.noise.set_as_initiator()
        self.noise.set_keypair_from_private_bytes(Keypair.STATIC, key)
        self.noise.set_prologue(GREETING + answer)
        self.noise.start_handshake()
        self._write_message(self.noise.write_message())
        size = int.from_bytes(self._exactly(2), "big")
        if size > HANDSHAKE_BYTES:
            raise Broken("the handshake message is too large")
        if self.noise.read_message(self._exactly(size)):
            raise Broken("the handshake has a payload")
        self.server_key = self.noise.noise_protocol.handshake_state.rs.public_bytes
        # Before message 3: a stranger shall not learn who we are.
        if trusted is not None and fingerprint(self.server_key) != trusted:
            raise Broken(f"the server shows the key {fingerprint(self.server_key)}")
        self._write_message(self.noise.write_message())

    def send(self, frames, rekey=False):
        """Seals frames into as few records as are allowed."""
        content = bytearray()
        for frame in frames:
            if content and len(content) + len(frame) > min(PACK_BYTES, self.record_bytes):
                self._seal(content)
                content.clear()
            content += frame
        if rekey:
            content += REKEY
        if content:
            self._seal(content)
        if rekey:
            self.noise.rekey_outbound_cipher()

    def receive(self, timeout):
        """The frames of the next record; nothing when none came in time."""
        until = time.monotonic() + timeout
        while True:
            frames = self._open()
            if frames is not None:
                return frames
            left = until - time.monotonic()
            if left <= 0 and not self.buffer:
                return []
            # What has begun must go on.
            wait = max(left, self.timeout if self.buffer else 0)
            if not select.select([self.socket], [], [], wait)[0]:
                if self.buffer:
                    raise Broken("a record was not completed")
                return []
            self._fill()

    def close(self):
        self.socket.close()

    def _seal(self, content):
        record = self.noise.encrypt(bytes(content))
        self._write(len(record).to_bytes(2, "big") + record)

    def _open(self):
        if len(self.buffer) < 2:
            return None
        size = int.from_bytes(self.buffer[:2], "big")
        if len(self.buffer) < 2 + size:
            return None
        content = self.noise.decrypt(bytes(self.buffer[2:2 + size]))
        del self.buffer[:2 + size]
        frames = list(wire.split_frames(content))
        if REKEY in frames[:-1] or not frames:
            raise Broken("the record is empty, or a new key is not announced at its end")
        if frames[-1] == REKEY:
            self.noise.rekey_inbound_cipher()
            frames.pop()
        return frames

    def _write(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Broken(f"the stream broke: {error}") from error

    def _write_message(self, message):
        self._write(len(message).to_bytes(2, "big") + bytes(message))

    def _exactly(self, size):
        while len(self.buffer) < size:
            self._fill()
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def _fill(self):
        try:
            data = self.socket.recv(64 * 1024)
        except OSError as error:
            raise Broken(f"the stream broke: {error}") from error
        if not data:
            raise Broken("the stream ended without a goodbye")
        self.heard = time.monotonic()
        self.buffer += data


class Client:
    """Logs in, sends with an outbox, receives in order. `connect` again after a lost link."""

    def __init__(self, host, port, trusted=None, key=None, timeout=10.0):
        self.address = (host, port)
        self.trusted = trusted
        # The device: keep it to log in without a password.
        self.key = key or os.urandom(32)
        self.timeout = timeout
        self.link = None
        self.welcome = None
        self.conversations = {}
        # Conversation: (epoch, last place); what a real client saves.
        self.positions = {}
        # Send id: what has no final answer yet, in the order in which it was sent.
        self.outbox = {}
        self.events = collections.deque()
        # The request that is asked for, and its answer.
        self.waiting = self.answer = None

    def connect(self, account, password=None, register=False, invite=None, enroll=True):
        """Greeting, handshake, login, resume. Returns the `Welcome`."""
        self.flights, self.held = {}, {}
        self.next_request, self.owed, self.asked, self.waiting = 1, 0, False, None
        self.link = Link(*self.address, self.trusted, self.key, self.timeout)
        # From now on nobody else is believed to be this server.
        self.trusted = fingerprint(self.link.server_key)
        login = {
            "account": account, "password": password, "register": register, "invite": invite,
            "device": "python", "capabilities": [], "enroll": enroll,
        }
        self._send("Login", **login)
        self.welcome = None
        while self.welcome is None:
            self._pump(self.timeout)
            if self.welcome is None and not self.link.buffer and self._silent() > self.timeout:
                raise Broken("no answer to the login")
        self.link.record_bytes = self.welcome["frame"]
        self._resume()
        self._resend()
        return self.welcome

    def _resume(self):
        known = [
            {"conversation": conversation, "epoch": epoch, "seq": seq}
            for conversation, (epoch, seq) in self.positions.items() if seq is not None
        ]
        pages = [known[start:start + 1000] for start in range(0, len(known), 1000)] or [[]]
        for number, page in enumerate(pages, 1):
            self._send("Resume", positions=page, more=number < len(pages))
        self.listed = False
        while not self.listed:
            self._pump(self.timeout)

    def request(self, name, **fields):
        """Asks and waits. Returns (name of the answer, fields) or raises `Refused`."""
        number = self._number()
        self.answer = None
        self.waiting = number
        self._send(name, number, **fields)
        until = time.monotonic() + self.timeout
        while self.answer is None:
            if time.monotonic() > until:
                raise Broken(f"no answer to {name}")
            self._pump(0.5)
        name, fields = self.answer
        if name == "Error":
            raise Refused(fields)
        return name, fields

    def join(self, room):
        """Joins a room, and makes it first where there is none."""
        join = {"target": ("room", room), "account": None, "change": JOINED, "role": None,
                "seconds": 0}
        try:
            return self.request("Change", **join)[1]["conversation"]
        except Refused as refused:
            if refused.code != NO_SUCH_ROOM:
                raise
        try:
            created = self.request("Create", room=room, public=True, history=None)
            return created[1]["conversation"]
        except Refused as refused:
            # Somebody was faster.
            if refused.code != ROOM_EXISTS:
                raise
        return self.request("Change", **join)[1]["conversation"]

    def send(self, target, content):
        """Puts an entry into the outbox and sends it. Returns its send id."""
        send_id = self._send_id()
        self.outbox[send_id] = {"target": target, "body": content, "again": False}
        if target in self.held or len(self.flights) >= self.welcome["sends"]:
            self._hold(target, send_id, 0)
        else:
            self._launch(send_id)
        return send_id

    def send_text(self, target, text, reply_to=None):
        return self.send(target, body(TEXT, text.encode(), reply_to))

    def next_event(self, timeout):
        """(name, fields) of the next frame that the application should see, or None."""
        until = time.monotonic() + timeout
        while not self.events:
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._pump(min(left, 0.5))
        name, fields, link = self.events.popleft()
        # What came over an older link was credit of that link.
        if name == "Entry" and link is self.link:
            self._give_back(cost(fields["entry"]))
        return name, fields

    def rekey(self):
        """From the next record on, what this client sends has a new key."""
        self.link.send([], rekey=True)

    def cut(self):
        """Drops the link without a word."""
        self.link.close()

    def leave(self):
        """Says goodbye. What is still in the outbox stays there."""
        self._send("Bye", reason=1, text="")
        self.link.close()

    def _pump(self, timeout):
        """Handles what came, and what is due."""
        now = time.monotonic()
        for target, (due, _) in list(self.held.items()):
            if due <= now and not any(self.outbox[sent]["target"] == target
                                      for sent in self.flights.values() if sent in self.outbox):
                self._release(target)
        due = min((due for due, _ in self.held.values()), default=now + timeout)
        for frame in self.link.receive(max(0.01, min(timeout, due - now))):
            name, request, fields = wire.decode_frame(frame)
            self._handle(name, request, fields)
        self._keep_alive()

    def _handle(self, name, request, fields):
        if name == "Welcome":
            self.welcome, self.clock = fields, time.monotonic()
        elif name == "Denied":
            self.link.close()
            raise Refused(fields)
        elif name == "Ping":
            self._send("Pong", number=fields["number"])
        elif name == "Bye":
            self.link.close()
            raise Broken(f"the server said goodbye, reason {fields['reason']}: {fields['text']}")
        elif name == "Conversations":
            for item in fields["items"]:
                self._handle_conversation(item)
            self.listed = self.listed or not fields["more"]
            self._tell(name, fields)
        elif name == "Entry":
            self._handle_entry(fields)
        elif name == "Gap":
            self._handle_gap(fields)
        elif name in ("Ack", "Error") and request in self.flights:
            self._handle_sent(name, request, fields)
        elif request is not None and request == self.waiting:
            self.answer, self.waiting = (name, fields), None
        elif request is not None:
            raise Broken(f"{name} answers nothing that was asked")
        elif name not in (None, "Pong"):
            self._tell(name, fields)

    def _handle_conversation(self, item):
        self.conversations[item["id"]] = item
        # None: the first entry or gap says where the stream starts. Where nothing was read yet, it
        # is the beginning, and stays so if the account reads on elsewhere. A position of another
        # epoch stays until the gap that ends it.
        start = 0 if item["read"] == 0 else None
        self.positions.setdefault(item["id"], (item["epoch"], start))

    def _handle_entry(self, fields):
        entry = fields["entry"]
        conversation = entry["conversation"]
        if conversation not in self.conversations:
            raise Broken("an entry of a conversation that was not announced")
        epoch, last = self.positions[conversation]
        if last is not None and entry["seq"] <= last:
            self._give_back(cost(entry))
            return
        if last is not None and entry["prev"] > last:
            raise Broken(f"the entry {entry['seq']} follows {entry['prev']}, but {last} was last")
        self.positions[conversation] = (epoch, entry["seq"])
        # Where an ack got lost, the entry itself tells.
        if entry["from"] == self.welcome["account"] and self.outbox.pop(entry["id"], None):
            self._tell("Ack", {"conversation": conversation, "seq": entry["seq"],
                               "id": entry["id"], "ext": []})
        self._tell("Entry", fields)

    def _handle_gap(self, fields):
        conversation = fields["conversation"]
        epoch, last = self.positions[conversation]
        if fields["reason"] == RESTORED:
            self.positions[conversation] = (fields["epoch"], 0)
        elif last is not None and fields["to"] <= last:
            return
        else:
            self.positions[conversation] = (epoch, fields["to"])
        self._tell("Gap", fields)

    def _handle_sent(self, name, request, fields):
        send_id = self.flights.pop(request)
        if send_id not in self.outbox:
            return
        if name == "Ack":
            if fields["id"] != send_id:
                raise Broken("an ack names another send")
            del self.outbox[send_id]
        elif fields["retry_ms"] is not None:
            self._hold(self.outbox[send_id]["target"], send_id, fields["retry_ms"] / 1000)
            return
        else:
            del self.outbox[send_id]
        self._tell(name, {**fields, "id": send_id})

    def _hold(self, target, send_id, pause):
        due, waiting = self.held.setdefault(target, [0, set()])
        waiting.add(send_id)
        self.held[target][0] = max(due, time.monotonic() + pause)

    def _release(self, target):
        """Sends what was held back, in the order in which it was put into the outbox."""
        _, waiting = self.held.pop(target)
        for send_id in [held for held in self.outbox if held in waiting]:
            # One that is held holds those behind it, too.
            if target in self.held or len(self.flights) >= self.welcome["sends"]:
                self._hold(target, send_id, 0)
            else:
                self._launch(send_id)

    def _launch(self, send_id):
        item = self.outbox[send_id]
        number = self._number()
        self.flights[number] = send_id
        self._send("Send", number, target=item["target"], id=send_id, again=item["again"],
                   body=item["body"])
        item["again"] = True

    def _resend(self):
        for send_id, item in self.outbox.items():
            self._hold(item["target"], send_id, 0)

    def _tell(self, name, fields):
        self.events.append((name, fields, self.link))

    def _give_back(self, spent):
        self.owed += spent
        if self.owed >= min(CREDIT_STEP, self.welcome["entry_credit"] // 2):
            self._send("Credit", bytes=self.owed)
            self.owed = 0

    def _keep_alive(self):
        if self.welcome is None:
            return
        silent = self._silent() * 1000
        if silent < self.welcome["ping_ms"]:
            self.asked = False
        elif silent >= self.welcome["dead_ms"]:
            raise Broken("the server is silent")
        elif not self.asked:
            self.asked = True
            self._send("Ping", number=1)

    def _silent(self):
        return time.monotonic() - self.link.heard

    def _send_id(self):
        """A UUID of version 7 by the server's clock."""
        passed = int((time.monotonic() - self.clock) * 1000)
        made = bytearray((self.welcome["date"] // 1000 + passed).to_bytes(6, "big"))
        made += os.urandom(10)
        made[6] = made[6] & 0x0F | 0x70
        made[8] = made[8] & 0x3F | 0x80
        return bytes(made)

    def _number(self):
        self.next_request += 1
        return self.next_request - 1

    def _send(self, name, request=None, /, **fields):
        self.link.send([wire.encode_frame(name, request, **fields)])
