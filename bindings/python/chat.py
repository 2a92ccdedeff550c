"""libchat for Python: one file, nothing to build. Copy it beside your program, or put its folder on PYTHONPATH
(`pkg-config --variable=pythondir chat`). Needs Python 3.8 and libchat.so.0.

    import chat

    with chat.Client("chat://ann@127.0.0.1:7878?fp=SHA256:...", password="correct horse battery",
                     register=True) as client:
        client.connect()
        client.send("lobby", "hello")
        for event in client:
            if event.type == chat.EVENT_MESSAGE:
                print(event.sender, event.text)

and with asyncio:

        async for event in client:
            ...

The methods are the functions of chat.h, whose documentation says what they do. A request returns its number at
once; its reply is an event with the same `request`. What is wrong with a call is raised as `chat.Error`.
"""

import asyncio
import ctypes
import ctypes.util
import json
import os
import select
import time

# What chat.h says, in short; a test compares the two. First what a function returns, then its name, then
# what it takes.
_FUNCTIONS = """
text version
u32 version_number
text status_name i32
text status_message i32
i32 status_retryable i32
text last_error
i32 set_log i32 log_fn pointer
i32 new_send_id out
void string_free string
i32 event_free handle
string event_to_json handle
i32 event_get_type handle
u64 event_request handle
i32 event_status handle
u32 event_item_count handle
i32 event_item handle u32 out
u32 event_flags handle
text event_place handle
size event_place_len handle
text event_from handle
size event_from_len handle
text event_account handle
size event_account_len handle
text event_text handle
size event_text_len handle
text event_conversation handle
size event_conversation_len handle
text event_label handle
size event_label_len handle
text event_reason handle
size event_reason_len handle
text event_message handle
size event_message_len handle
text event_name handle
size event_name_len handle
text event_media_type handle
size event_media_type_len handle
text event_fingerprint handle
size event_fingerprint_len handle
text event_known_fingerprint handle
size event_known_fingerprint_len handle
text event_next handle
size event_next_len handle
bytes event_send_id handle
size event_send_id_len handle
bytes event_blob handle
size event_blob_len handle
bytes event_hash handle
size event_hash_len handle
u64 event_seq handle
u64 event_prev handle
u64 event_target handle
u64 event_epoch handle
i64 event_time_ms handle
i64 event_seen_ms handle
i64 event_until_ms handle
u32 event_retry_ms handle
i32 event_role handle
i32 event_change handle
i32 event_presence handle
u64 event_size handle
u64 event_transferred handle
u64 event_head handle
u64 event_read handle
u64 event_delivered handle
u32 event_unread handle
u32 event_mentions handle
u32 event_members handle
u32 event_devices handle
u64 event_device handle
u64 event_count handle
i32 client_options_init out u32
i32 client_new out out
i32 client_connect handle out
i32 client_next_event handle i32 out
i32 client_fd handle
i32 client_set_wakeup handle wakeup_fn pointer
i32 client_interrupt handle
i32 client_close handle u32
i32 client_free handle
i32 client_state handle
u32 client_open_requests handle
text client_account handle
text client_fingerprint handle
i32 client_trust handle text
i32 client_cancel handle u64
i32 client_cancel_send handle bytes size out
i32 send_options_init out u32
i32 client_typing handle text
i32 client_presence handle i32 text
i32 client_send handle text text out out
i32 client_edit handle text u64 text out out
i32 client_delete handle text u64 out out
i32 client_react handle text u64 text out out
i32 client_topic handle text text out out
i32 client_create handle text i32 i32 out
i32 client_join handle text out
i32 client_leave handle text out
i32 client_invite handle text text out
i32 client_kick handle text text out
i32 client_ban handle text text out
i32 client_unban handle text text out
i32 client_mute handle text text u64 out
i32 client_unmute handle text text out
i32 client_role handle text text i32 out
i32 client_who handle text out
i32 client_members handle text text out
i32 client_rooms handle text out
i32 client_conversations handle text out
i32 client_history handle text i32 u64 u32 out
i32 client_search handle text text text out
i32 client_read handle text u64 out
i32 client_receipts handle text out
i32 client_devices handle out
i32 client_revoke handle u64 out
i32 client_password handle text text i32 out
i32 client_command handle text text text out
i32 client_commands handle out
i32 client_outbox handle out
i32 client_send_file handle text text text text out
i32 client_send_file_with handle text text text text out out
i32 client_fetch handle bytes size text out
i32 client_request_json handle text out
i32 server_options_init out u32
i32 server_stats_init out u32
i32 server_new out out
i32 server_start handle
text server_address handle u32
text server_fingerprint handle
i32 server_serve_fd handle i32
i32 server_add_plugin handle pointer text
i32 server_next_event handle i32 out
i32 server_fd handle
i32 server_set_wakeup handle wakeup_fn pointer
i32 server_interrupt handle
i32 server_stop handle
i32 server_free handle
i32 server_get_stats handle out
i32 server_add_account handle text text i32 out
i32 server_set_password handle text text out
i32 server_remove_account handle text out
i32 server_set_rights handle text i32 out
i32 server_accounts handle text out
i32 server_invite handle u32 u64 out
i32 server_rooms handle text out
i32 server_members handle text text out
i32 server_kick handle text text out
i32 server_ban handle text text out
i32 server_unban handle text text out
i32 server_mute handle text text u64 out
i32 server_unmute handle text text out
i32 server_role handle text text i32 out
i32 server_set_registration handle u32 out
i32 server_backup handle text out
"""

_CONSTANTS = """
OK=0 MISUSE=1 INVALID=2 BAD_HANDLE=3 BAD_UTF8=4 TOO_LONG=5 BAD_NAME=6 BAD_ADDRESS=7 FULL=8 BUSY=9
NOT_FOUND=10 NOT_SUPPORTED=11 FORKED=12 BAD_JSON=13 BAD_OPTIONS=14 EMPTY=15 DENIED=16 CLOSED=20 CANCELED=21
TIMEOUT=22 PENDING=23 TOO_LATE=24 RETIRED=25 CANNOT_CONNECT=30 LOST=31 SILENT=32 BYE=33 PROTOCOL=40 BAD_VERSION=41
UNKNOWN_KEY=42 WRONG_KEY=43 LOCAL=50 TOO_NEW=51 INTERNAL=90 PANIC=91 REFUSED_LOGIN_FAILED=101
REFUSED_NAME_TAKEN=102 REFUSED_BAD_NAME=103 REFUSED_REGISTRATION_CLOSED=104
REFUSED_INVITE_REQUIRED=105 REFUSED_BAD_INVITE=106 REFUSED_BAD_PASSWORD=107
REFUSED_TOO_MANY_DEVICES=108 REFUSED_DEVICE_REVOKED=109 REFUSED_PASSWORD_REQUIRED=110
REFUSED_DEVICE_TAKEN=111 REFUSED_NO_SUCH_ROOM=120 REFUSED_NO_SUCH_ACCOUNT=121
REFUSED_NOT_A_MEMBER=122 REFUSED_ROOM_EXISTS=123 REFUSED_NOT_INVITED=124 REFUSED_BANNED=125
REFUSED_MUTED=126 REFUSED_FORBIDDEN=127 REFUSED_NO_SUCH_ENTRY=128 REFUSED_TOO_LONG=129
REFUSED_EMPTY=130 REFUSED_LAST_OWNER=131 REFUSED_TOO_MANY=132 REFUSED_BAD_REQUEST=133
REFUSED_BAD_ROLE=134 REFUSED_NO_SUCH_COMMAND=135 REFUSED_AFTER_REFUSED=140 REFUSED_SEND_EXPIRED=141
REFUSED_BAD_SEND_ID=142 REFUSED_SEND_ID_REUSED=143 REFUSED_CONFLICT=144 REFUSED_REJECTED=145
REFUSED_BUSY=160 REFUSED_STORAGE=161 REFUSED_SLOW_DOWN=162 REFUSED_NOT_SUPPORTED=163
REFUSED_DRAINING=164 REFUSED_INTERNAL=165 REFUSED_NO_SUCH_BLOB=180 REFUSED_QUOTA=181
REFUSED_BAD_HASH=182 REFUSED_TOO_BIG=183 REFUSED_BAD_TYPE=184 REFUSED_DAMAGED=185
REFUSED_ABANDONED=186 REFUSED_OTHER=199 LOG_ERROR=1 LOG_WARN=2 LOG_INFO=3 LOG_DEBUG=4 LOG_TRACE=5
EVENT_REPLY=1 EVENT_QUEUED=2 EVENT_SETTLED=3 EVENT_PROGRESS=4 EVENT_SERVER_KEY=5 EVENT_CONNECTED=6
EVENT_RECONNECTING=7 EVENT_CLOSED=8 EVENT_MESSAGE=20 EVENT_EDIT=21 EVENT_DELETE=22 EVENT_REACTION=23
EVENT_TOPIC=24 EVENT_MEMBER=25 EVENT_FILE=26 EVENT_ENTRY=27 EVENT_GAP=30 EVENT_CONVERSATION=31
EVENT_PRESENCE=32 EVENT_TYPING=33 EVENT_RECEIPT=34 EVENT_NOTICE=35 EVENT_DROPPED=36
EVENT_INCOMING=37 EVENT_ROOM=50 EVENT_ROOM_MEMBER=51 EVENT_DEVICE=52 EVENT_COMMAND=53 EVENT_SEND=54
EVENT_REACTIONS=55 EVENT_ACCOUNT=56 CHANGE_JOINED=1 CHANGE_LEFT=2 CHANGE_KICKED=3 CHANGE_BANNED=4
CHANGE_UNBANNED=5 CHANGE_INVITED=6 CHANGE_ROLE=7 CHANGE_MUTED=8 CHANGE_UNMUTED=9 FLAG_EDITED=1
FLAG_DELETED=2 FLAG_JOINED=4 FLAG_PUBLIC=8 FLAG_ONLINE=16 FLAG_THIS=32 FLAG_MUTED=64
FLAG_DURABLE=128 FLAG_SENT=256 FLAG_ADMIN=512 FLAG_PASSWORD=1024 FLAG_OVER=2048 TRUST_ASK=0
TRUST_ACCEPT_NEW=1 TRUST_PINNED=2 STATE_NEW=0 STATE_CONNECTING=1 STATE_ONLINE=2 STATE_RECONNECTING=3
STATE_CLOSED=4 ROLE_MEMBER=1 ROLE_MODERATOR=2 ROLE_OWNER=3 HISTORY_DEFAULT=0 HISTORY_ALL=1
HISTORY_SINCE_JOIN=2 HISTORY_END=0 HISTORY_BEFORE=1 HISTORY_AFTER=2 HISTORY_AROUND=3
PRESENCE_ONLINE=1 PRESENCE_AWAY=2 PRESENCE_OFFLINE=3 REGISTRATION_INVITE=0 REGISTRATION_OPEN=1
REGISTRATION_CLOSED=2 RIGHTS_USER=1 RIGHTS_ADMIN=2
"""

globals().update((name, int(value)) for name, value in (word.split("=") for word in _CONSTANTS.split()))

__all__ = ["Client", "Server", "Event", "Error", "version", "new_send_id", "set_log"] + [
    word.split("=")[0] for word in _CONSTANTS.split()
]


class ClientOptions(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_uint32),
        ("trust", ctypes.c_uint32),
        ("address", ctypes.c_char_p),
        ("account", ctypes.c_char_p),
        ("password", ctypes.c_char_p),
        ("invite", ctypes.c_char_p),
        ("fingerprint", ctypes.c_char_p),
        ("profile", ctypes.c_char_p),
        ("known_hosts", ctypes.c_char_p),
        ("device", ctypes.c_char_p),
        ("server", ctypes.c_void_p),
        ("register_account", ctypes.c_uint32),
        ("reconnect", ctypes.c_uint32),
        ("patient", ctypes.c_uint32),
        ("longest_pause_ms", ctypes.c_uint32),
        ("request_timeout_ms", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    ]


class SendOptions(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_uint32),
        ("send_id_len", ctypes.c_uint32),
        ("send_id", ctypes.c_char_p),
        ("reply_to", ctypes.c_uint64),
        ("label", ctypes.c_char_p),
    ]


class ServerOptions(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_uint32),
        ("registration", ctypes.c_uint32),
        ("listen", ctypes.POINTER(ctypes.c_char_p)),
        ("listen_count", ctypes.c_uint32),
        ("streams", ctypes.c_uint32),
        ("data", ctypes.c_char_p),
        ("lobby", ctypes.c_char_p),
        ("retention_seconds", ctypes.c_uint64),
        ("retention_entries", ctypes.c_uint64),
    ]


class ServerStats(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("accounts", ctypes.c_uint64),
        ("rooms", ctypes.c_uint64),
        ("links", ctypes.c_uint64),
        ("entries", ctypes.c_uint64),
    ]


_LOG = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p, ctypes.c_char_p)
_WAKEUP = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_TYPES = {
    "void": None,
    "i32": ctypes.c_int32,
    "u32": ctypes.c_uint32,
    "i64": ctypes.c_int64,
    "u64": ctypes.c_uint64,
    "size": ctypes.c_size_t,
    "text": ctypes.c_char_p,
    "string": ctypes.c_void_p,  # not c_char_p, which forgets the pointer that is to be freed
    "bytes": ctypes.c_void_p,
    "handle": ctypes.c_void_p,
    "pointer": ctypes.c_void_p,
    "out": ctypes.c_void_p,
    "log_fn": _LOG,
    "wakeup_fn": _WAKEUP,
}


def _load():
    """CHAT_LIBRARY, or libchat.so.0 beside this file, or where the system looks, or where `make install` put it."""
    here = os.path.dirname(os.path.abspath(__file__))
    places = [
        os.environ.get("CHAT_LIBRARY"),
        os.path.join(here, "libchat.so.0"),
        "libchat.so.0",
        os.path.join(here, "../../../lib/libchat.so.0"),
    ]
    problem = None
    for place in filter(None, places):
        try:
            return ctypes.CDLL(place)
        except OSError as error:
            problem = problem or error
    raise ImportError(f"libchat.so.0 can't be loaded; CHAT_LIBRARY may name it: {problem}")


def _declare(library):
    functions = {}
    for line in _FUNCTIONS.split("\n"):
        if line:
            result, name, *arguments = line.split()
            function = getattr(library, "chat_" + name)
            function.restype = _TYPES[result]
            function.argtypes = [_TYPES[argument] for argument in arguments]
            functions[name] = (function, result, arguments)
    return functions


_functions = _declare(_load())


def _call(name, *arguments):
    return _functions[name][0](*arguments)


class Error(Exception):
    """A call that failed. `status` is its number, `name` that number's name."""

    def __init__(self, status, text=None):
        self.status = status
        self.name = _call("status_name", status).decode()
        self.retryable = bool(_call("status_retryable", status))
        super().__init__(text or f"{_call('last_error').decode()} ({self.name})")


def _check(status):
    if status != OK:  # noqa: F821
        raise Error(status)


def _text(value):
    """A str as the library takes it. U+0000 would end it early, and something else would be said."""
    if value is None:
        return None
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogatepass")
    if b"\0" in value:
        raise ValueError("a text must not contain U+0000")
    return value


def version():
    """The version of the library that runs."""
    return _call("version").decode()


def version_number():
    """The same as a number that can be compared."""
    return _call("version_number")


def new_send_id():
    """A send id, 16 bytes. Keep it with what is to be sent: sent twice under it, it arrives once."""
    buffer = ctypes.create_string_buffer(16)
    _check(_call("new_send_id", buffer))
    return buffer.raw


_log = _LOG()


def set_log(level, callback):
    """Calls `callback(level, target, message)` with each line of the log, from any thread; None: no more."""
    global _log
    if callback is None:
        new = _LOG()
    else:
        new = _LOG(lambda _user, level, target, message: callback(level, target.decode(), message.decode()))
    # The old one may be running until this returns.
    _check(_call("set_log", level, new, None))
    _log = new


class Event:
    """What happened, or an item of a list in it. Each accessor of chat.h is a property, except that who sent
    it is `sender`, since `from` is a word of Python."""

    def __init__(self, handle, owner=None):
        self._handle, self._owner = handle, owner

    def __del__(self):
        # An item goes with its event.
        if self._owner is None and _call is not None:
            _call("event_free", self._handle)

    @property
    def type(self):
        return _call("event_get_type", self._handle)

    @property
    def items(self):
        item = ctypes.c_void_p()
        items = []
        for index in range(_call("event_item_count", self._handle)):
            _check(_call("event_item", self._handle, index, ctypes.byref(item)))
            items.append(Event(item.value, self))
        return items

    @property
    def error(self):
        """None, or what went wrong as an exception that can be raised."""
        return None if self.status == OK else Error(self.status, self.message)  # noqa: F821

    def json(self):
        """The event as `chat-cli --json` writes it, as a dict."""
        string = _call("event_to_json", self._handle)
        if not string:
            raise Error(BAD_HANDLE)  # noqa: F821
        try:
            return json.loads(ctypes.string_at(string))
        finally:
            _call("string_free", string)

    def __repr__(self):
        return f"<chat.Event {json.dumps(self.json(), ensure_ascii=False)}>"


def _accessor(name, result):
    function = _functions[name][0]
    if result == "text":
        length = _functions[name + "_len"][0]
        # As a pointer and a length: somebody may have sent U+0000.
        function.restype = ctypes.c_void_p
        return property(lambda self: ctypes.string_at(function(self._handle), length(self._handle)).decode())
    if result == "bytes":
        length = _functions[name + "_len"][0]
        return property(lambda self: ctypes.string_at(function(self._handle) or b"", length(self._handle)) or None)
    return property(lambda self: function(self._handle))


for _name, (_function, _result, _arguments) in _functions.items():
    _field = _name[len("event_"):]
    if _name.startswith("event_") and _arguments == ["handle"] and _result in ("text", "bytes", "i32", "u32", "i64", "u64"):
        if _field not in ("free", "get_type", "item_count"):
            setattr(Event, {"from": "sender"}.get(_field, _field), _accessor(_name, _result))


class _Queue:
    """What a client and a server have in common: events, and an end."""

    _kind = ""

    def _open(self, options):
        handle = ctypes.c_void_p()
        self._handle = None
        self._wakeup = _WAKEUP()
        _check(_call(f"{self._kind}_new", ctypes.byref(options), ctypes.byref(handle)))
        self._handle = handle.value

    def _do(self, verb, *arguments):
        _check(_call(f"{self._kind}_{verb}", self._handle, *arguments))

    def _ask(self, verb, *arguments):
        request = ctypes.c_uint64()
        self._do(verb, *arguments, ctypes.byref(request))
        return request.value

    def fileno(self):
        """The descriptor that is readable while events wait: for select and its like. Never read it."""
        return _call(f"{self._kind}_fd", self._handle)

    def next_event(self, timeout=None):
        """The next event; None when there is none in time (seconds). Error CHAT_CLOSED after the last one."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            event = ctypes.c_void_p()
            self._do("next_event", 0, ctypes.byref(event))
            if event.value:
                return Event(event.value)
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            # Not inside of the library: here Ctrl-C still works.
            select.select([self], [], [], left)

    def set_wakeup(self, callback):
        """Calls `callback()` from a thread of the library when there are events to take; None: no more."""
        new = _WAKEUP() if callback is None else _WAKEUP(lambda _user: callback())
        self._do("set_wakeup", new, None)
        self._wakeup = new

    def interrupt(self):
        self._do("interrupt")

    def free(self):
        """Ends it at once. What was not sent yet stays in the profile, where there is one."""
        handle, self._handle = self._handle, None
        _check(_call(f"{self._kind}_free", handle))

    def __del__(self):
        if getattr(self, "_handle", None) and _call is not None:
            _call(f"{self._kind}_free", self._handle)

    def __iter__(self):
        """All events up to the last one."""
        while True:
            try:
                yield self.next_event()
            except Error as error:
                if error.status == CLOSED:  # noqa: F821
                    return
                raise

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            while True:
                event = self.next_event(0)
                if event is not None:
                    return event
                await self._readable()
        except Error as error:
            if error.status == CLOSED:  # noqa: F821
                raise StopAsyncIteration from None
            raise

    async def _readable(self):
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        descriptor = self.fileno()
        loop.add_reader(descriptor, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            loop.remove_reader(descriptor)


class Client(_Queue):
    """A client: one account on one server. The arguments are the fields of chat_client_options; `register`
    opens the account first, `server` is a chat.Server of this process."""

    _kind = "client"

    def __init__(self, address=None, account=None, password=None, *, register=False, profile=None, trust=TRUST_ASK,  # noqa: F821
                 fingerprint=None, invite=None, known_hosts=None, device=None, server=None, reconnect=True,
                 patient=False, longest_pause=0, request_timeout=0):
        options = ClientOptions()
        _check(_call("client_options_init", ctypes.byref(options), ctypes.sizeof(options)))
        options.address, options.account, options.password = _text(address), _text(account), _text(password)
        options.profile, options.known_hosts, options.device = _text(profile), _text(known_hosts), _text(device)
        options.fingerprint, options.invite, options.trust = _text(fingerprint), _text(invite), trust
        options.server = server._handle if server is not None else None
        options.register_account, options.reconnect, options.patient = register, reconnect, patient
        options.longest_pause_ms, options.request_timeout_ms = int(longest_pause * 1000), int(request_timeout * 1000)
        self._open(options)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        # What was said is still delivered; after an exception nobody waits for it.
        if self._handle:
            if kind is None:
                _call("client_close", self._handle, 3000)
            self.free()

    @property
    def account(self):
        return _call("client_account", self._handle).decode()

    @property
    def fingerprint(self):
        return _call("client_fingerprint", self._handle).decode()

    @property
    def state(self):
        return _call("client_state", self._handle)

    @property
    def open_requests(self):
        return _call("client_open_requests", self._handle)

    def connect(self):
        return self._ask("connect")

    def close(self, flush=3.0):
        """Settles what is open for at most `flush` seconds, and leaves. True when all of it was settled."""
        status = _call("client_close", self._handle, int(flush * 1000))
        if status not in (OK, TIMEOUT):  # noqa: F821
            raise Error(status)
        return status == OK  # noqa: F821

    def trust(self, fingerprint):
        self._do("trust", _text(fingerprint))

    def cancel(self, request):
        self._do("cancel", request)

    def cancel_send(self, send_id):
        return self._ask("cancel_send", send_id, len(send_id))

    def typing(self, place):
        self._do("typing", _text(place))

    def presence(self, state, text=None):
        self._do("presence", state, _text(text))

    def send(self, place, text, *, reply_to=0, send_id=None, label=None):
        return self._send("send", _text(place), _text(text), options=(reply_to, send_id, label))

    def edit(self, place, seq, text, *, send_id=None, label=None):
        return self._send("edit", _text(place), seq, _text(text), options=(0, send_id, label))

    def delete(self, place, seq, *, send_id=None, label=None):
        return self._send("delete", _text(place), seq, options=(0, send_id, label))

    def react(self, place, seq, emoji, *, send_id=None, label=None):
        return self._send("react", _text(place), seq, _text(emoji), options=(0, send_id, label))

    def topic(self, place, text, *, send_id=None, label=None):
        return self._send("topic", _text(place), _text(text), options=(0, send_id, label))

    def create(self, room, *, public=True, history=HISTORY_DEFAULT):  # noqa: F821
        return self._ask("create", _text(room), public, history)

    def join(self, room):
        return self._ask("join", _text(room))

    def leave(self, room):
        return self._ask("leave", _text(room))

    def invite(self, room, account):
        return self._ask("invite", _text(room), _text(account))

    def kick(self, room, account):
        return self._ask("kick", _text(room), _text(account))

    def ban(self, room, account):
        return self._ask("ban", _text(room), _text(account))

    def unban(self, room, account):
        return self._ask("unban", _text(room), _text(account))

    def mute(self, room, account, seconds=0):
        return self._ask("mute", _text(room), _text(account), seconds)

    def unmute(self, room, account):
        return self._ask("unmute", _text(room), _text(account))

    def role(self, room, account, role):
        return self._ask("role", _text(room), _text(account), role)

    def who(self, next=None):
        return self._ask("who", _text(next))

    def members(self, place, next=None):
        return self._ask("members", _text(place), _text(next))

    def rooms(self, next=None):
        return self._ask("rooms", _text(next))

    def conversations(self, next=None):
        return self._ask("conversations", _text(next))

    def history(self, place, where=HISTORY_END, seq=0, limit=0):  # noqa: F821
        return self._ask("history", _text(place), where, seq, limit)

    def search(self, text, place=None, next=None):
        return self._ask("search", _text(place), _text(text), _text(next))

    def read(self, place, seq):
        return self._ask("read", _text(place), seq)

    def receipts(self, place):
        return self._ask("receipts", _text(place))

    def devices(self):
        return self._ask("devices")

    def revoke(self, device):
        return self._ask("revoke", device)

    def password(self, old, new, *, keep_devices=False):
        return self._ask("password", _text(old), _text(new), keep_devices)

    def command(self, name, args=None, place=None):
        return self._ask("command", _text(place), _text(name), _text(args))

    def commands(self):
        return self._ask("commands")

    def outbox(self):
        return self._ask("outbox")

    def send_file(self, place, path, *, name=None, media_type=None, send_id=None, label=None):
        return self._send("send_file_with", _text(place), _text(path), _text(name), _text(media_type),
                          options=(0, send_id, label))

    def fetch(self, blob, path):
        return self._ask("fetch", blob, len(blob), _text(path))

    def request_json(self, line):
        """A request as `chat-cli --json` takes it: a dict, or its JSON."""
        return self._ask("request_json", _text(line if isinstance(line, (str, bytes)) else json.dumps(line)))

    def _send(self, verb, *arguments, options):
        reply_to, send_id, label = options
        extra = SendOptions()
        _check(_call("send_options_init", ctypes.byref(extra), ctypes.sizeof(extra)))
        # An array and not the bytes themselves, which may contain zeros.
        kept = ctypes.create_string_buffer(send_id, len(send_id)) if send_id is not None else None
        extra.reply_to, extra.label = reply_to, _text(label)
        if kept is not None:
            extra.send_id, extra.send_id_len = ctypes.cast(kept, ctypes.c_char_p), len(send_id)
        return self._ask(verb, *arguments, ctypes.byref(extra))


class Server(_Queue):
    """A server inside of this program. The arguments are the fields of chat_server_options."""

    _kind = "server"

    def __init__(self, listen=(), *, registration=REGISTRATION_INVITE, data=None, lobby="lobby", streams=0,  # noqa: F821
                 retention_seconds=0, retention_entries=0):
        options = ServerOptions()
        _check(_call("server_options_init", ctypes.byref(options), ctypes.sizeof(options)))
        options.listen = (ctypes.c_char_p * len(listen))(*map(_text, listen))
        options.listen_count = len(listen)
        options.registration, options.streams = registration, streams
        options.data, options.lobby = _text(data), _text(lobby)
        options.retention_seconds, options.retention_entries = retention_seconds, retention_entries
        self._open(options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._handle:
            self.free()

    def start(self):
        self._do("start")

    def stop(self):
        """True when everything ended in time."""
        status = _call("server_stop", self._handle)
        if status not in (OK, TIMEOUT):  # noqa: F821
            raise Error(status)
        return status == OK  # noqa: F821

    def address(self, index=0):
        return _call("server_address", self._handle, index).decode()

    @property
    def fingerprint(self):
        return _call("server_fingerprint", self._handle).decode()

    def add_plugin(self, plugin, config_json=None):
        """Adds a plugin that another library in this process made: its address, as an int or a ctypes pointer."""
        self._do("add_plugin", plugin, config_json)

    def serve_fd(self, descriptor):
        """Serves a connected socket, which is the server's from now on: `socket.detach()` gives it."""
        self._do("serve_fd", descriptor)

    def stats(self):
        stats = ServerStats()
        _check(_call("server_stats_init", ctypes.byref(stats), ctypes.sizeof(stats)))
        self._do("get_stats", ctypes.byref(stats))
        return {name: getattr(stats, name) for name, _ in ServerStats._fields_ if name not in ("size", "reserved")}

    def add_account(self, account, password=None, rights=RIGHTS_USER):  # noqa: F821
        return self._ask("add_account", _text(account), _text(password), rights)

    def set_password(self, account, password):
        return self._ask("set_password", _text(account), _text(password))

    def remove_account(self, account):
        return self._ask("remove_account", _text(account))

    def set_rights(self, account, rights):
        return self._ask("set_rights", _text(account), rights)

    def accounts(self, next=None):
        return self._ask("accounts", _text(next))

    def invite(self, uses=1, seconds=7 * 24 * 3600):
        return self._ask("invite", uses, seconds)

    def rooms(self, next=None):
        return self._ask("rooms", _text(next))

    def members(self, room, next=None):
        return self._ask("members", _text(room), _text(next))

    def kick(self, room, account):
        return self._ask("kick", _text(room), _text(account))

    def ban(self, room, account):
        return self._ask("ban", _text(room), _text(account))

    def unban(self, room, account):
        return self._ask("unban", _text(room), _text(account))

    def mute(self, room, account, seconds=0):
        return self._ask("mute", _text(room), _text(account), seconds)

    def unmute(self, room, account):
        return self._ask("unmute", _text(room), _text(account))

    def role(self, room, account, role):
        return self._ask("role", _text(room), _text(account), role)

    def set_registration(self, registration):
        return self._ask("set_registration", registration)

    def backup(self, folder):
        return self._ask("backup", _text(folder))
