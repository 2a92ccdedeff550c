"""Frames of the libchat protocol, from the layouts in PROTOCOL.md (sections 4 and 5).

A layout is a line of that page: fields with a name and a type, separated by commas. Values are plain:
numbers, text, bytes (for `id`, too), lists, None, dicts for bodies and for whatever has fields.
"""

import re

CRITICAL = 0x8000
REQUEST = 0x4000
FRAME_BYTES = 61_440

TAGS = {
    "Ping": 0x8001, "Pong": 0x8002, "Rekey": 0x8003, "Bye": 0x8004,
    "Login": 0x8010, "Resume": 0x8011, "Send": 0xC012, "Cancel": 0x8013, "Credit": 0x8014,
    "Delivered": 0x0015, "SetTyping": 0x0016, "SetPresence": 0x0017,
    "Chunk": 0x8018, "Taken": 0x8019, "Stop": 0x801A,
    "Create": 0x4020, "Change": 0x4021, "GetRooms": 0x4022, "GetMembers": 0x4023,
    "GetWho": 0x4024, "GetHistory": 0x4025, "Search": 0x4026, "GetConversations": 0x4027,
    "Read": 0x4028, "GetReceipts": 0x4029, "GetDevices": 0x402A, "Revoke": 0x402B,
    "Password": 0x402C, "Command": 0x402D, "GetCommands": 0x402E,
    "Upload": 0x402F, "Finish": 0x4030, "Abandon": 0x4031, "Fetch": 0x4032,
    "Welcome": 0x8040, "Denied": 0x8041, "Conversations": 0x8042, "Entry": 0x8043, "Gap": 0x8044,
    "Ack": 0xC045, "Error": 0xC046, "Receipts": 0x0047, "Presence": 0x0048, "Typing": 0x0049,
    "Notice": 0x004A, "Incoming": 0x004B, "Received": 0x804C, "Piece": 0x804D, "Fetched": 0x804E,
    "Stopped": 0x804F,
    "Done": 0xC050, "Entered": 0xC051, "RoomPage": 0xC052, "MemberPage": 0xC053,
    "WhoPage": 0xC054, "HistoryPage": 0xC055, "SearchPage": 0xC056, "ConversationPage": 0xC057,
    "ReceiptList": 0xC058, "DeviceList": 0xC059, "CommandList": 0xC05A,
    "Uploading": 0xC05B, "Fetching": 0xC05C,
}
NAMES = {tag: name for name, tag in TAGS.items()}

LAYOUTS = {
    "Ping": "number u64, ext",
    "Pong": "number u64, ext",
    "Bye": "reason u8, text text, ext",
    "Login": "account text, password opt text, register bool, invite opt text, device text, "
             "capabilities list u16, enroll bool, ext",
    "Welcome": "account u64, name text, device u64, date time, durable bool, sends u32, "
               "entry_credit u64, text u32, frame u32, ping_ms u32, dead_ms u32, "
               "capabilities list u16, ext",
    "Denied": "code u16, text text, retry_ms opt u32, ext",
    "Resume": "positions list of (conversation id, epoch u64, seq seq), more bool, ext",
    "Conversations": "items list of conversation, more bool, ext",
    "Send": "target target, id id, again bool, body body, ext",
    "Ack": "conversation id, seq seq, id id, ext",
    "Error": "code u16, text text, retry_ms opt u32, ext",
    "Cancel": "target target, id id, ext",
    "Entry": "entry, ext",
    "Gap": "conversation id, epoch u64, from seq, to seq, reason u8, ext",
    "Credit": "bytes u64, ext",
    "Delivered": "items list of (conversation id, seq seq), ext",
    "Create": "room text, public bool, history opt u8, ext",
    "Change": "target target, account opt text, change u8, role opt u8, seconds u64, ext",
    "GetRooms": "after opt text, ext",
    "GetMembers": "target target, after opt text, ext",
    "GetWho": "after opt text, ext",
    "GetHistory": "target target, from u8, seq seq, limit u32, ext",
    "Search": "target opt target, text text, after opt text, ext",
    "GetConversations": "after opt text, ext",
    "Read": "target target, seq seq, ext",
    "GetReceipts": "target target, ext",
    "GetDevices": "ext",
    "Revoke": "device u64, ext",
    "Password": "old opt text, new text, keep_devices bool, ext",
    "Command": "target opt target, name text, args text, ext",
    "GetCommands": "ext",
    "Done": "ext",
    "Entered": "conversation id, seq seq, ext",
    "RoomPage": "items list of (name text, topic text, public bool, members u32, joined bool), "
                "next opt text, ext",
    "MemberPage": "items list of (account text, role u8, presence opt u8, muted_until time), "
                  "next opt text, ext",
    "WhoPage": "items list of (account text, state u8, text text), next opt text, ext",
    "HistoryPage": "items list of (entry, edited bool, reactions list of (emoji text, "
                   "accounts list text)), more bool, ext",
    "SearchPage": "items list of entry, next opt text, ext",
    "ConversationPage": "items list of conversation, next opt text, ext",
    "ReceiptList": "items list of receipt, ext",
    "DeviceList": "items list of (id u64, name text, created time, seen time, online bool, "
                  "this bool), ext",
    "CommandList": "items list of (name text, help text), ext",
    "Upload": "target target, id id, name text, size u64, media_type text, ext",
    "Finish": "transfer u32, hash hash, ext",
    "Abandon": "id id, ext",
    "Fetch": "blob id, offset u64, length opt u64, window u32, ext",
    "Uploading": "blob id, offset u64, window u32, ext",
    "Fetching": "offset u64, end u64, size u64, hash opt hash, name text, media_type text, ext",
    "Chunk": "transfer u32, offset u64, bytes bytes, ext",
    "Received": "transfer u32, upto u64, ext",
    "Piece": "transfer u32, offset u64, parents list of (left hash, right hash), bytes bytes, ext",
    "Taken": "transfer u32, upto u64, ext",
    "Fetched": "transfer u32, hash hash, ext",
    "Stop": "transfer u32, ext",
    "Stopped": "transfer u32, code u16, text text, retry_ms opt u32, ext",
    "Incoming": "conversation id, blob id, from text, name text, size u64, media_type text, "
                "is_over bool, ext",
    "SetTyping": "target target, ext",
    "SetPresence": "state u8, text text, ext",
    "Typing": "conversation id, account text, ext",
    "Presence": "items list of (account text, state u8, text text, reason opt u8), ext",
    "Receipts": "items list of receipt, ext",
    "Notice": "from text, text text, conversation opt id, ext",
}

PARTS = {
    "body": "kind u16, target opt seq, blob opt id, data bytes, ext",
    "entry": "conversation id, seq seq, prev seq, id id, from u64, from_name text, time time, "
             "body body",
    "conversation": "id id, peer u8, name text, epoch u64, head seq, read seq, unread u32, "
                    "mentions u32, joined bool",
    "receipt": "conversation id, account text, delivered seq, read seq",
}


class Malformed(Exception):
    """Bytes that are no frame, or values that fit none."""


def encode_frame(name, request=None, /, **fields):
    """One whole frame. `ext` may be left out."""
    tag = TAGS[name]
    out = bytearray(tag.to_bytes(2, "big"))
    if (request is not None) != bool(tag & REQUEST):
        raise Malformed(f"{name}: a request id where there is none, or the other way round")
    if request is not None:
        out += request.to_bytes(4, "big")
    if name in LAYOUTS:
        _FRAMES[name].write(out, fields)
    if len(out) + 2 > FRAME_BYTES:
        raise Malformed(f"{name}: {len(out)} bytes don't fit a frame")
    return len(out).to_bytes(2, "big") + bytes(out)


def decode_frame(frame):
    """(name, request id or None, fields); the name is None for a frame that may be skipped."""
    if len(frame) < 4 or len(frame) > FRAME_BYTES:
        raise Malformed("a frame has 4 to 61,440 bytes")
    if int.from_bytes(frame[:2], "big") != len(frame) - 2:
        raise Malformed("the frame's length is wrong")
    tag = int.from_bytes(frame[2:4], "big")
    place, request = 4, None
    if tag & REQUEST:
        if len(frame) < 8:
            raise Malformed("no request id")
        place, request = 8, int.from_bytes(frame[4:8], "big")
    name = NAMES.get(tag)
    if name is None:
        if tag & CRITICAL:
            raise Malformed(f"unknown critical frame {tag:#06x}")
        return None, request, {}
    fields = {}
    if name in LAYOUTS:
        fields, place = _FRAMES[name].read(frame, place)
    if place != len(frame):
        raise Malformed(f"{name}: bytes are left over")
    return name, request, fields


def split_frames(content):
    """The frames of a record."""
    place = 0
    while place < len(content):
        end = place + 2 + int.from_bytes(content[place:place + 2], "big")
        if end > len(content) or end < place + 4:
            raise Malformed("a frame does not end with its record")
        yield content[place:end]
        place = end


class Number:
    """A varint of so many bits."""

    def __init__(self, bits, limit=None):
        self.limit = (1 << bits) if limit is None else limit

    def write(self, out, value):
        if not 0 <= value < self.limit:
            raise Malformed(f"{value} is too large")
        if value < 251:
            out.append(value)
        else:
            for mark, size in ((251, 2), (252, 4), (253, 8)):
                if value < 1 << 8 * size:
                    out.append(mark)
                    out += value.to_bytes(size, "little")
                    return

    def read(self, data, place):
        first, place = _take(data, place, 1)
        value = first[0]
        if value > 253:
            raise Malformed("not a number")
        if value > 250:
            raw, place = _take(data, place, {251: 2, 252: 4, 253: 8}[value])
            value = int.from_bytes(raw, "little")
        if value >= self.limit:
            raise Malformed(f"{value} is too large")
        return value, place


class Byte:
    def __init__(self, limit=256):
        self.limit = limit

    def write(self, out, value):
        if not 0 <= int(value) < self.limit:
            raise Malformed(f"{value} is no byte of this kind")
        out.append(int(value))

    def read(self, data, place):
        raw, place = _take(data, place, 1)
        if raw[0] >= self.limit:
            raise Malformed(f"{raw[0]} is no byte of this kind")
        return (bool(raw[0]) if self.limit == 2 else raw[0]), place


class Fixed:
    """So many bytes as they are."""

    def __init__(self, size):
        self.size = size

    def write(self, out, value):
        if len(value) != self.size:
            raise Malformed(f"that has {self.size} bytes")
        out += value

    def read(self, data, place):
        return _take(data, place, self.size)


class Bytes:
    def write(self, out, value):
        _U64.write(out, len(value))
        out += value

    def read(self, data, place):
        size, place = _U64.read(data, place)
        return _take(data, place, size)


class Text:
    def write(self, out, value):
        _BYTES.write(out, value.encode())

    def read(self, data, place):
        raw, place = _BYTES.read(data, place)
        try:
            return raw.decode(), place
        except UnicodeDecodeError as error:
            raise Malformed("not UTF-8") from error


class Option:
    def __init__(self, inner):
        self.inner = inner

    def write(self, out, value):
        out.append(value is not None)
        if value is not None:
            self.inner.write(out, value)

    def read(self, data, place):
        there, place = _BOOL.read(data, place)
        return self.inner.read(data, place) if there else (None, place)


class Items:
    def __init__(self, inner):
        self.inner = inner

    def write(self, out, value):
        _U64.write(out, len(value))
        for item in value:
            self.inner.write(out, item)

    def read(self, data, place):
        count, place = _U64.read(data, place)
        items = []
        for _ in range(count):
            item, place = self.inner.read(data, place)
            items.append(item)
        return items, place


class Target:
    """("conversation", 16 bytes), ("room", name) or ("account", name)."""

    KINDS = ["conversation", "room", "account"]

    def write(self, out, value):
        kind, name = value
        out.append(self.KINDS.index(kind) + 1)
        _BYTES.write(out, name if kind == "conversation" else name.encode())

    def read(self, data, place):
        raw, place = _take(data, place, 1)
        if not 1 <= raw[0] <= 3:
            raise Malformed("a target of an unknown kind")
        kind = self.KINDS[raw[0] - 1]
        name, place = (_BYTES if kind == "conversation" else _TEXT).read(data, place)
        return (kind, name), place


class Fields:
    def __init__(self, layout):
        self.fields = [_field(part) for part in _split(layout)]

    def write(self, out, value):
        for name, kind in self.fields:
            if name == "ext" and name not in value:
                out.append(0)
            elif name not in value:
                raise Malformed(f"the field {name} is missing")
            else:
                kind.write(out, value[name])
        unknown = set(value) - {name for name, _ in self.fields}
        if unknown:
            raise Malformed(f"there is no field {unknown}")

    def read(self, data, place):
        value = {}
        for name, kind in self.fields:
            value[name], place = kind.read(data, place)
        return value, place


def _take(data, place, size):
    if size > len(data) - place:
        raise Malformed("cut off")
    return bytes(data[place:place + size]), place + size


def _split(layout):
    """At the commas that are in no parentheses."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(layout):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append(layout[start:place].strip())
            start = place + 1
    return parts + [layout[start:].strip()]


def _field(text):
    name, _, kind = text.partition(" ")
    # `ext` and `entry` are called like their type.
    return name, _type(kind or name)


def _type(text):
    for word, made in (("opt ", Option), ("list of ", Items), ("list ", Items)):
        if text.startswith(word):
            return made(_type(text[len(word):]))
    if text.startswith("("):
        return Fields(text[1:-1])
    if text in PARTS:
        return Fields(PARTS[text])
    return _TYPES[text]


class Pair:
    """An extension: its number and its bytes."""

    def write(self, out, value):
        _TYPES["u16"].write(out, value[0])
        _BYTES.write(out, value[1])

    def read(self, data, place):
        number, place = _TYPES["u16"].read(data, place)
        data, place = _BYTES.read(data, place)
        return (number, data), place


_U64 = Number(64)
_BOOL = Byte(2)
_BYTES = Bytes()
_TEXT = Text()
_TYPES = {
    "u8": Byte(), "bool": _BOOL, "u16": Number(16), "u32": Number(32), "u64": _U64,
    "seq": Number(53), "time": _U64, "id": Fixed(16), "hash": Fixed(32), "bytes": _BYTES, "text": _TEXT,
    "target": Target(), "ext": Items(Pair()),
}
_FRAMES = {name: Fields(layout) for name, layout in LAYOUTS.items()}
