/*
 * chat.h: the C API of libchat, a chat engine to put into your own program: client and server.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Generated from ffi/src/api. Do not edit: BLESS=1 cargo test -p chat-ffi --test header
 *
 *
 * HOW THIS API WORKS
 * ==================
 *
 * A minimal program:
 *
 *     chat_client_options options;
 *     chat_client_options_init(&options, sizeof options);
 *     options.address = "chat://ann@chat.example:7878?fp=SHA256:...";
 *     options.password = "correct horse battery";
 *     chat_client *client;
 *     if (chat_client_new(&options, &client) != CHAT_OK)
 *         errx(1, "%s", chat_last_error());
 *     chat_client_connect(client, NULL);
 *     chat_client_send(client, "lobby", "hello", NULL, NULL);
 *     chat_event *event;
 *     while (chat_client_next_event(client, -1, &event) == CHAT_OK) {
 *         if (chat_event_get_type(event) == CHAT_EVENT_MESSAGE)
 *             printf("%s: %s\n", chat_event_from(event), chat_event_text(event));
 *         chat_event_free(event);
 *     }
 *     chat_client_free(client);
 *
 * Handles. chat_client, chat_server and chat_event are numbers in a pointer's clothes. They are looked up
 * and never followed: one that was freed, freed twice, or is of another kind is answered by
 * CHAT_BAD_HANDLE. Freeing NULL does nothing. chat_event_free(NULL) and accessors of NULL are harmless.
 *
 * Statuses. Functions that can fail return a chat_status: CHAT_OK is 0, everything else is positive, and a
 * number never changes its meaning. chat_last_error() is a sentence about the last failure of the calling
 * thread. Accessors return 0, -1, NULL or "" for a bad handle, as each one says; texts are never NULL.
 *
 * Values that go in. Text is UTF-8 and ends with NUL; binary data is a pointer and a length. All of it is
 * copied before the call returns. What is above its limit is refused before it is read to its end. Options
 * are structs that begin with their size: fill them with their init function, then set fields. A program
 * that was compiled against an older header works with a newer library, and one that was compiled against a
 * newer header gets CHAT_BAD_OPTIONS from an older library if it uses what that one does not know.
 *
 * Values that come out. They are written only on success. A const char * is borrowed from the object that
 * gave it. A char * is yours, and goes to chat_string_free, never to free. Text may contain a NUL
 * that somebody sent; the _len twin of each accessor knows the whole length.
 *
 * Places. "lobby" is a room, "@bob" the direct conversation with an account. chat_event_place() says it in
 * the same form, so that an answer goes where the question came from.
 *
 * Requests return at once. Each one that was accepted (CHAT_OK) gets exactly one CHAT_EVENT_REPLY, with
 * the number that the call stored in *request: ok, an error, CHAT_CANCELED, CHAT_TIMEOUT, CHAT_CLOSED, or
 * CHAT_PENDING for a send that stays in the durable outbox over closing. The reply's place in the queue is
 * reserved: when there is none left, the call returns CHAT_FULL and nothing was done. Take events, then
 * try again. A request that was not accepted has no reply. Pass NULL for `request` if you don't care.
 *
 * Events wait in a queue of 4,096 events or 4 MiB for chat_client_next_event. Whoever takes them slowly
 * makes the server wait; no entry is lost, whatever the application does. One thread at a time may wait; a
 * second one gets CHAT_BUSY. There are three ways to know that there is something to take: wait in
 * chat_client_next_event; poll the descriptor chat_client_fd; or a wake-up callback. After
 * CHAT_EVENT_CLOSED the queue answers CHAT_CLOSED.
 *
 * Threads. Every function may be called from any thread at any time, unless its @threadsafe line says
 * otherwise. All handles of a process share the library's own four threads (a server with a folder adds one for
 * its database), which live as long as the process: there is nothing to shut down. They take no signals but
 * those of crashes. The library writes neither to stdout nor to stderr, installs no signal handler, and
 * touches no locale. All its descriptors are close-on-exec.
 *
 * Callbacks come from the library's threads. The wake-up callback carries no data and should only wake
 * somebody; functions that would wait answer CHAT_MISUSE inside of it. Freeing a handle inside of a callback
 * is refused the same way.
 *
 * Fork. A process that forks after it used the library may go on in the parent. In the child every call
 * answers CHAT_FORKED, and freeing does nothing; exec makes a fresh start.
 *
 * Trust. A server is known by the fingerprint of its key. Pin it (CHAT_TRUST_PINNED, or a link with fp=),
 * accept the first one (CHAT_TRUST_ACCEPT_NEW), or be asked (CHAT_TRUST_ASK, the default): then the login waits at
 * CHAT_EVENT_SERVER_KEY for chat_client_trust.
 *
 * Ending. chat_client_close settles and says goodbye; chat_client_free works at any instant, from any thread,
 * and joins everything that knows the handle.
 *
 * Versions. Later versions with the same SONAME add functions, fields at the end of structs, statuses and
 * types of events. Nothing that is here changes or goes away. `@since` says when something came.
 */

#ifndef CHAT_H
#define CHAT_H


#include <stddef.h>
#include <stdint.h>

#include "chat_plugin.h"

/** The version of this header, as text. */
#define CHAT_VERSION "0.1.0"
/** The version of this header: major * 1000000 + minor * 1000 + patch. */
#define CHAT_VERSION_NUMBER 1000

#if defined(_WIN32) && !defined(CHAT_STATIC)
#define CHAT_API __declspec(dllimport)
#elif defined(__GNUC__)
#define CHAT_API __attribute__((visibility("default")))
#else
#define CHAT_API
#endif


/**
 * A client: one account on one server, over as many connections as it takes. A number in a pointer's
 * clothes: it points nowhere.
 */
typedef struct chat_client chat_client;

/**
 * Something that happened, or an item of a list in it. A number in a pointer's clothes: it points
 * nowhere. May be used by any thread, also after its client is gone, until `chat_event_free`.
 */
typedef struct chat_event chat_event;

/**
 * A server. A number in a pointer's clothes: it points nowhere.
 */
typedef struct chat_server chat_server;

/**
 * How grave a line of the log is: CHAT_LOG_ERROR, CHAT_LOG_WARN, CHAT_LOG_INFO, CHAT_LOG_DEBUG, or
 * CHAT_LOG_TRACE.
 */
typedef int32_t chat_log_level;

/**
 * Called with each line of the log, from any thread, also from inside of a function of this library
 * that the calling thread is in. It must return quickly and call nothing of this library but
 * `chat_status_name`, `chat_status_message` and `chat_status_retryable`; anything else answers
 * `CHAT_MISUSE`. The strings are valid until it returns.
 */
typedef void (*chat_log_fn)(void *user,
                            chat_log_level level,
                            const char *target,
                            const char *message);

/**
 * What an event is. Later versions may add more: ignore what you don't know.
 */
typedef int32_t chat_event_type;

/**
 * Bits of `chat_event_flags`. CHAT_FLAG_ONLINE is one more.
 */
typedef uint32_t chat_flags;

/**
 * Which server key a client accepts.
 */
typedef uint32_t chat_trust;

/**
 * How a client connects. Fill it with `chat_client_options_init` first, then set fields. All strings
 * are copied; NULL means "none".
 */
typedef struct chat_client_options {
  /**
   * Size of the struct, as the program was compiled.
   */
  uint32_t size;
  /**
   * `CHAT_TRUST_ASK` and so on. A fingerprint, here or in the link, makes it `CHAT_TRUST_PINNED`.
   */
  chat_trust trust;
  /**
   * `HOST:PORT`, or `chat://[ACCOUNT@]HOST[:PORT][?fp=FINGERPRINT&invite=TOKEN]`. Not with `server`.
   */
  const char *address;
  /**
   * Name of the account, where the link doesn't say it.
   */
  const char *account;
  /**
   * For the first login of a device, or every login of one without a profile.
   */
  const char *password;
  /**
   * The token of an invite, where the link doesn't say it.
   */
  const char *invite;
  /**
   * The only key to trust, "SHA256:..".
   */
  const char *fingerprint;
  /**
   * Folder for the device's key, the outbox and the positions; made if it is missing. One process
   * at a time. NULL: they end with the handle, and the device has no durable outbox.
   */
  const char *profile;
  /**
   * File of server keys that were accepted before, shared by profiles. NULL: the profile has them.
   */
  const char *known_hosts;
  /**
   * What the owner calls this device.
   */
  const char *device;
  /**
   * A server of this process to talk to in memory, instead of `address`. Such a client does not
   * reconnect.
   */
  struct chat_server *server;
  /**
   * 1: open the account first. Succeeds also if this profile opened it before.
   */
  uint32_t register_account;
  /**
   * 1, the default: connect again when a connection is lost.
   */
  uint32_t reconnect;
  /**
   * 1: also keep trying when the first connection fails.
   */
  uint32_t patient;
  /**
   * Longest pause before connecting again, in milliseconds; 0: 30 s.
   */
  uint32_t longest_pause_ms;
  /**
   * A request other than a send is answered by `CHAT_TIMEOUT` after so many milliseconds; 0, the
   * default: never.
   */
  uint32_t request_timeout_ms;
  /**
   * Must be 0.
   */
  uint32_t reserved;
} chat_client_options;

/**
 * Called, from a thread of the library, when there are events to take, or the handle is closed. It
 * carries no data and must return quickly: set a flag, write into a pipe, post to a loop. Functions
 * that wait answer `CHAT_MISUSE` inside of it.
 */
typedef void (*chat_wakeup_fn)(void *user);

/**
 * What a client is doing.
 */
typedef int32_t chat_state;

/**
 * What a send can be given beyond its text. Fill it with `chat_send_options_init` first.
 */
typedef struct chat_send_options {
  /**
   * Size of the struct, as the program was compiled.
   */
  uint32_t size;
  /**
   * Bytes at `send_id`: 16, or 0 for none.
   */
  uint32_t send_id_len;
  /**
   * An id of the caller's, as `chat_new_send_id` makes them. The same id is the same entry, over
   * restarts too: sent twice, it arrives once. NULL: the library makes one.
   */
  const uint8_t *send_id;
  /**
   * The entry that a text replies to; 0: none.
   */
  uint64_t reply_to;
  /**
   * What the application calls the send; kept with it in the outbox, at most 256 bytes. NULL: none.
   */
  const char *label;
} chat_send_options;

/**
 * Whether somebody is there.
 */
typedef int32_t chat_presence;

/**
 * What newcomers of a room may read.
 */
typedef int32_t chat_history;

/**
 * What an account may do in a room.
 */
typedef int32_t chat_role;

/**
 * Where a page of the history begins.
 */
typedef int32_t chat_history_from;

/**
 * Who may open an account.
 */
typedef uint32_t chat_registration;

/**
 * How a server runs. Fill it with `chat_server_options_init` first, then set fields. All strings are
 * copied; NULL means "none".
 */
typedef struct chat_server_options {
  /**
   * Size of the struct, as the program was compiled.
   */
  uint32_t size;
  /**
   * `CHAT_REGISTRATION_INVITE` and so on.
   */
  chat_registration registration;
  /**
   * `listen_count` strings `HOST:PORT`; port 0 picks a free one. NULL: only what
   * `chat_server_serve_fd` and clients of this process bring.
   */
  const char *const *listen;
  /**
   * How many.
   */
  uint32_t listen_count;
  /**
   * Most streams at a time; 0: as many as the library takes.
   */
  uint32_t streams;
  /**
   * Folder where everything is kept; made if it is missing. One process at a time. NULL: in memory,
   * gone with the handle.
   */
  const char *data;
  /**
   * A room that everybody is put into at registration; "lobby" by default, NULL: none.
   */
  const char *lobby;
  /**
   * Entries older than so many seconds are cut; 0: none.
   */
  uint64_t retention_seconds;
  /**
   * All but the last so many entries of each conversation are cut; 0: none.
   */
  uint64_t retention_entries;
} chat_server_options;

/**
 * What is counted of a server. Fill it with `chat_server_stats_init` first.
 */
typedef struct chat_server_stats {
  /**
   * Size of the struct, as the program was compiled.
   */
  uint32_t size;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * Accounts.
   */
  uint64_t accounts;
  /**
   * Rooms.
   */
  uint64_t rooms;
  /**
   * Links that are logged in.
   */
  uint64_t links;
  /**
   * Entries that were appended since the start.
   */
  uint64_t entries;
} chat_server_stats;

/**
 * What an account may do on the server.
 */
typedef int32_t chat_rights;

/**
 * What happened to a membership.
 */
typedef int32_t chat_change;

/**
 * An argument is NULL that must not be, or has a value that doesn't exist.
 */
#define CHAT_INVALID 2

/**
 * The handle is none, was freed, or is of another kind.
 */
#define CHAT_BAD_HANDLE 3

/**
 * That is no name of an account or a room.
 */
#define CHAT_BAD_NAME 6

/**
 * That is no HOST:PORT, chat:// link or fingerprint.
 */
#define CHAT_BAD_ADDRESS 7

/**
 * Somebody else is at it: another thread waits for events, or another process has the folder.
 */
#define CHAT_BUSY 9

/**
 * This version can't do that.
 */
#define CHAT_NOT_SUPPORTED 11

/**
 * This process was forked from one that used the library. Only the parent can use it.
 */
#define CHAT_FORKED 12

/**
 * The line is not what chat_client_request_json takes.
 */
#define CHAT_BAD_JSON 13

/**
 * The size of an options struct is wrong, or fields are set that this version does not know.
 */
#define CHAT_BAD_OPTIONS 14

/**
 * There is nothing to send.
 */
#define CHAT_EMPTY 15

/**
 * It is closed. For a request: it was not answered before; a send was not kept.
 */
#define CHAT_CLOSED 20

/**
 * The request was canceled.
 */
#define CHAT_CANCELED 21

/**
 * There was no answer in time.
 */
#define CHAT_TIMEOUT 22

/**
 * The send stays in the durable outbox and goes out at the next start. Don't send it again.
 */
#define CHAT_PENDING 23

/**
 * No connection could be made.
 */
#define CHAT_CANNOT_CONNECT 30

/**
 * The connection was lost.
 */
#define CHAT_LOST 31

/**
 * The other end does not answer any more.
 */
#define CHAT_SILENT 32

/**
 * The server ended the connection; chat_event_reason says why.
 */
#define CHAT_BYE 33

/**
 * The other end broke the protocol.
 */
#define CHAT_PROTOCOL 40

/**
 * The two ends have no version of the protocol in common. Update the older one.
 */
#define CHAT_BAD_VERSION 41

/**
 * Nobody decided about the key of the server yet.
 */
#define CHAT_UNKNOWN_KEY 42

/**
 * The server shows another key than before, or than it should. It was set up anew, or somebody is in between.
 */
#define CHAT_WRONG_KEY 43

/**
 * This machine could not do it: disk, rights, memory.
 */
#define CHAT_LOCAL 50

/**
 * The folder was written by a later version of the library.
 */
#define CHAT_TOO_NEW 51

/**
 * A fault of this library. Please report it.
 */
#define CHAT_INTERNAL 90

/**
 * A fault of this library; the handle is closed, the others are not touched. Please report it.
 */
#define CHAT_PANIC 91

/**
 * The server said no: wrong password or unknown account: one code on purpose.
 */
#define CHAT_REFUSED_LOGIN_FAILED 101

/**
 * The server said no: registration: somebody has the name.
 */
#define CHAT_REFUSED_NAME_TAKEN 102

/**
 * The server said no: a name breaks the rules.
 */
#define CHAT_REFUSED_BAD_NAME 103

/**
 * The server said no: registration is closed.
 */
#define CHAT_REFUSED_REGISTRATION_CLOSED 104

/**
 * The server said no: registration needs an invite.
 */
#define CHAT_REFUSED_INVITE_REQUIRED 105

/**
 * The server said no: the invite is unknown, used up or expired.
 */
#define CHAT_REFUSED_BAD_INVITE 106

/**
 * The server said no: a password breaks the rules.
 */
#define CHAT_REFUSED_BAD_PASSWORD 107

/**
 * The server said no: the account has too many devices.
 */
#define CHAT_REFUSED_TOO_MANY_DEVICES 108

/**
 * The server said no: the device was revoked.
 */
#define CHAT_REFUSED_DEVICE_REVOKED 109

/**
 * The server said no: the device key is not enrolled and no password came with it.
 */
#define CHAT_REFUSED_PASSWORD_REQUIRED 110

/**
 * The server said no: the device key belongs to another account.
 */
#define CHAT_REFUSED_DEVICE_TAKEN 111

/**
 * The server said no: no room of that name, or one that is not shown to you.
 */
#define CHAT_REFUSED_NO_SUCH_ROOM 120

/**
 * The server said no: no account of that name.
 */
#define CHAT_REFUSED_NO_SUCH_ACCOUNT 121

/**
 * The server said no: you are not a member.
 */
#define CHAT_REFUSED_NOT_A_MEMBER 122

/**
 * The server said no: a room of that name exists.
 */
#define CHAT_REFUSED_ROOM_EXISTS 123

/**
 * The server said no: the room is by invite only.
 */
#define CHAT_REFUSED_NOT_INVITED 124

/**
 * The server said no: you are banned from the room.
 */
#define CHAT_REFUSED_BANNED 125

/**
 * The server said no: you may not send in this room for now.
 */
#define CHAT_REFUSED_MUTED 126

/**
 * The server said no: your role does not allow it.
 */
#define CHAT_REFUSED_FORBIDDEN 127

/**
 * The server said no: the entry referred to is not there, deleted, or not visible to you.
 */
#define CHAT_REFUSED_NO_SUCH_ENTRY 128

/**
 * The server said no: the text is longer than the limit.
 */
#define CHAT_REFUSED_TOO_LONG 129

/**
 * The server said no: nothing in it.
 */
#define CHAT_REFUSED_EMPTY 130

/**
 * The server said no: the room would be left without an owner.
 */
#define CHAT_REFUSED_LAST_OWNER 131

/**
 * The server said no: a limit on rooms or members is reached.
 */
#define CHAT_REFUSED_TOO_MANY 132

/**
 * The server said no: does not make sense here, like inviting into a direct conversation.
 */
#define CHAT_REFUSED_BAD_REQUEST 133

/**
 * The server said no: a role that does not exist.
 */
#define CHAT_REFUSED_BAD_ROLE 134

/**
 * The server said no: no plugin has a command of that name.
 */
#define CHAT_REFUSED_NO_SUCH_COMMAND 135

/**
 * The server said no: an earlier send of the conversation was refused for now; this one waits for it.
 */
#define CHAT_REFUSED_AFTER_REFUSED 140

/**
 * The server said no: the send id is older than the server remembers.
 */
#define CHAT_REFUSED_SEND_EXPIRED 141

/**
 * The server said no: the send id lies in the future or is malformed.
 */
#define CHAT_REFUSED_BAD_SEND_ID 142

/**
 * The server said no: the send id was used for something else.
 */
#define CHAT_REFUSED_SEND_ID_REUSED 143

/**
 * The server said no: something else changed first.
 */
#define CHAT_REFUSED_CONFLICT 144

/**
 * The server said no: a plugin refused it.
 */
#define CHAT_REFUSED_REJECTED 145

/**
 * The server said no: too much at once.
 */
#define CHAT_REFUSED_BUSY 160

/**
 * The server said no: the disk is full or broken.
 */
#define CHAT_REFUSED_STORAGE 161

/**
 * The server said no: too many tries.
 */
#define CHAT_REFUSED_SLOW_DOWN 162

/**
 * The server said no: this server can't do that.
 */
#define CHAT_REFUSED_NOT_SUPPORTED 163

/**
 * The server said no: the server is stopping.
 */
#define CHAT_REFUSED_DRAINING 164

/**
 * The server said no: a fault of the server.
 */
#define CHAT_REFUSED_INTERNAL 165

/**
 * The server said no: no such file, or not visible to you.
 */
#define CHAT_REFUSED_NO_SUCH_BLOB 180

/**
 * The server said no: over the quota of the account or the server.
 */
#define CHAT_REFUSED_QUOTA 181

/**
 * The server said no: the content is not what was announced.
 */
#define CHAT_REFUSED_BAD_HASH 182

/**
 * The server said no: larger than any file may be here.
 */
#define CHAT_REFUSED_TOO_BIG 183

/**
 * The server said no: no files of that type.
 */
#define CHAT_REFUSED_BAD_TYPE 184

/**
 * The server said no: what is on the server's disk is not what was sent.
 */
#define CHAT_REFUSED_DAMAGED 185

/**
 * The server said no: the sender gave it up, or it expired.
 */
#define CHAT_REFUSED_ABANDONED 186

/**
 * The server said no, with a reason that this version does not know.
 */
#define CHAT_REFUSED_OTHER 199

/**
 * Everything.
 */
#define CHAT_LOG_TRACE 5

/**
 * The one reply to a request, whose number `chat_event_request` says. `chat_event_status` is CHAT_OK,
 * CHAT_CANCELED, CHAT_TIMEOUT, CHAT_CLOSED, CHAT_PENDING, or what went wrong; the rest depends on the
 * request: a place in the log (`seq`), a list of items, an invite (`text`).
 */
#define CHAT_EVENT_REPLY 1

/**
 * A send (`request`, `send_id`) is in the outbox, on disk where there is a profile. Not its reply.
 */
#define CHAT_EVENT_QUEUED 2

/**
 * A send that an earlier run of the program left in the outbox (`send_id`, `label`) came to its end:
 * `status`, `place`, `seq`.
 */
#define CHAT_EVENT_SETTLED 3

/**
 * A transfer (`request`) got further: `transferred` of `size` bytes.
 */
#define CHAT_EVENT_PROGRESS 4

/**
 * The server shows a key that nobody decided about: `fingerprint`. The login waits for
 * `chat_client_trust`. `known_fingerprint` is empty: a key that changed ends the client with
 * CHAT_WRONG_KEY instead.
 */
#define CHAT_EVENT_SERVER_KEY 5

/**
 * The login succeeded: `account`, `fingerprint`, `device`; flag `CHAT_FLAG_DURABLE`. What was missed
 * follows.
 */
#define CHAT_EVENT_CONNECTED 6

/**
 * The connection is gone (`status`, `message`); another one is tried in `retry_ms`.
 */
#define CHAT_EVENT_RECONNECTING 7

/**
 * The last event: `status` (CHAT_CLOSED when it was wanted), `reason`, `message`; with CHAT_WRONG_KEY
 * also `fingerprint` and `known_fingerprint`.
 */
#define CHAT_EVENT_CLOSED 8

/**
 * Text in a conversation: `place`, `from`, `text`, `seq`, `prev`, `time_ms`, `send_id`, `target` (the
 * entry that it replies to). Entries come exactly once and in order; own ones, too.
 */
#define CHAT_EVENT_MESSAGE 20

/**
 * The entry `target` has a new `text`.
 */
#define CHAT_EVENT_EDIT 21

/**
 * The entry `target` was deleted.
 */
#define CHAT_EVENT_DELETE 22

/**
 * `from` reacts to the entry `target` with the emoji in `text`; empty: takes it back.
 */
#define CHAT_EVENT_REACTION 23

/**
 * The room has a new topic, `text`.
 */
#define CHAT_EVENT_TOPIC 24

/**
 * The membership of `account` changed: `change`, `role`, `until_ms`.
 */
#define CHAT_EVENT_MEMBER 25

/**
 * A file: `blob`, `name`, `size`, `media_type`, `hash`.
 */
#define CHAT_EVENT_FILE 26

/**
 * An entry of a kind that this version does not know (`count`).
 */
#define CHAT_EVENT_ENTRY 27

/**
 * The entries `seq` to `target` of `place` don't come to this device: `reason`.
 */
#define CHAT_EVENT_GAP 30

/**
 * A conversation is new or changed: `place`, `conversation`, `epoch`, `head`, `read`, `unread`,
 * `mentions`, flag `CHAT_FLAG_JOINED`. Also an item of chat_client_conversations.
 */
#define CHAT_EVENT_CONVERSATION 31

/**
 * `account` is `presence` and says `text`. Also an item of chat_client_who.
 */
#define CHAT_EVENT_PRESENCE 32

/**
 * `account` is writing in `place`.
 */
#define CHAT_EVENT_TYPING 33

/**
 * `account` got `delivered` and `read` up to these entries of `place`. Also an item of
 * chat_client_receipts.
 */
#define CHAT_EVENT_RECEIPT 34

/**
 * For this client alone: `from` says `text`, about `place`.
 */
#define CHAT_EVENT_NOTICE 35

/**
 * Events were taken too slowly: `count` signals (presence, typing, receipts) were merged or left out.
 * Entries never are.
 */
#define CHAT_EVENT_DROPPED 36

/**
 * `from` is sending a file: `place`, `blob`, `name`, `size`, `media_type`. It can be fetched already.
 * With the flag `CHAT_FLAG_OVER` it was given up.
 */
#define CHAT_EVENT_INCOMING 37

/**
 * Item of chat_client_rooms and chat_server_rooms: `place`, `text` (topic), `members`, flags
 * `CHAT_FLAG_PUBLIC`, `CHAT_FLAG_JOINED`.
 */
#define CHAT_EVENT_ROOM 50

/**
 * Item of chat_client_members: `account`, `role`, `presence`, flag `CHAT_FLAG_MUTED`, `until_ms`.
 */
#define CHAT_EVENT_ROOM_MEMBER 51

/**
 * Item of chat_client_devices: `device`, `name`, `time_ms` (since), `seen_ms`, flags
 * `CHAT_FLAG_ONLINE`, `CHAT_FLAG_THIS`.
 */
#define CHAT_EVENT_DEVICE 52

/**
 * Item of chat_client_commands: `name`, `text` (help).
 */
#define CHAT_EVENT_COMMAND 53

/**
 * Item of chat_client_outbox: `send_id`, `label`, `status` (CHAT_PENDING, or why it failed), flag
 * `CHAT_FLAG_SENT`.
 */
#define CHAT_EVENT_SEND 54

/**
 * Item of an item of a history: the accounts (its items) that reacted with the emoji in `text`.
 */
#define CHAT_EVENT_REACTIONS 55

/**
 * Item of chat_server_accounts: `account`, `time_ms` (since), `devices`, flags `CHAT_FLAG_ADMIN`,
 * `CHAT_FLAG_ONLINE`, `CHAT_FLAG_PASSWORD`.
 */
#define CHAT_EVENT_ACCOUNT 56

/**
 * Came in.
 */
#define CHAT_CHANGE_JOINED 1

/**
 * Went.
 */
#define CHAT_CHANGE_LEFT 2

/**
 * Was put out; may come back.
 */
#define CHAT_CHANGE_KICKED 3

/**
 * Was put or kept out for good.
 */
#define CHAT_CHANGE_BANNED 4

/**
 * May come back.
 */
#define CHAT_CHANGE_UNBANNED 5

/**
 * May come in.
 */
#define CHAT_CHANGE_INVITED 6

/**
 * Got another role.
 */
#define CHAT_CHANGE_ROLE 7

/**
 * May not send.
 */
#define CHAT_CHANGE_MUTED 8

/**
 * May send again.
 */
#define CHAT_CHANGE_UNMUTED 9

/**
 * The text was edited.
 */
#define CHAT_FLAG_EDITED 1

/**
 * The entry was deleted.
 */
#define CHAT_FLAG_DELETED 2

/**
 * This account is a member.
 */
#define CHAT_FLAG_JOINED 4

/**
 * Anybody may join.
 */
#define CHAT_FLAG_PUBLIC 8

/**
 * It is the device that asks.
 */
#define CHAT_FLAG_THIS 32

/**
 * It may not send; `until_ms` says until when, 0: for ever.
 */
#define CHAT_FLAG_MUTED 64

/**
 * What the server acknowledges is on its disk.
 */
#define CHAT_FLAG_DURABLE 128

/**
 * It went out and was not answered so far.
 */
#define CHAT_FLAG_SENT 256

/**
 * The account sees every room, may join it, and is an owner in those that it is a member of.
 */
#define CHAT_FLAG_ADMIN 512

/**
 * The account has a password.
 */
#define CHAT_FLAG_PASSWORD 1024

/**
 * The sender gave the file up.
 */
#define CHAT_FLAG_OVER 2048

/**
 * A key that was accepted before. The login at a new server waits at the event
 * `CHAT_EVENT_SERVER_KEY` until `chat_client_trust`.
 */
#define CHAT_TRUST_ASK 0

/**
 * A key that was accepted before; the first key of a new server is accepted and remembered.
 */
#define CHAT_TRUST_ACCEPT_NEW 1

/**
 * Only the key with `fingerprint`, or with the one in the link.
 */
#define CHAT_TRUST_PINNED 2

/**
 * `chat_client_connect` was not called so far.
 */
#define CHAT_STATE_NEW 0

/**
 * It connects for the first time.
 */
#define CHAT_STATE_CONNECTING 1

/**
 * It is logged in.
 */
#define CHAT_STATE_ONLINE 2

/**
 * The connection is gone, another one is tried.
 */
#define CHAT_STATE_RECONNECTING 3

/**
 * It is closing or closed.
 */
#define CHAT_STATE_CLOSED 4

/**
 * There.
 */
#define CHAT_PRESENCE_ONLINE 1

/**
 * Connected, but not there.
 */
#define CHAT_PRESENCE_AWAY 2

/**
 * Not connected.
 */
#define CHAT_PRESENCE_OFFLINE 3

/**
 * Reads and writes.
 */
#define CHAT_ROLE_MEMBER 1

/**
 * Also deletes, invites, kicks, bans, mutes members, and sets the topic.
 */
#define CHAT_ROLE_MODERATOR 2

/**
 * Also gives roles.
 */
#define CHAT_ROLE_OWNER 3

/**
 * All of a public room, since the join of the others.
 */
#define CHAT_HISTORY_DEFAULT 0

/**
 * Everything.
 */
#define CHAT_HISTORY_ALL 1

/**
 * Only what is said while they are members.
 */
#define CHAT_HISTORY_SINCE_JOIN 2

/**
 * The newest entries.
 */
#define CHAT_HISTORY_END 0

/**
 * The entries right before one.
 */
#define CHAT_HISTORY_BEFORE 1

/**
 * The entries right after one.
 */
#define CHAT_HISTORY_AFTER 2

/**
 * One and its neighbours.
 */
#define CHAT_HISTORY_AROUND 3

/**
 * Who has an invite. The default.
 */
#define CHAT_REGISTRATION_INVITE 0

/**
 * Anybody.
 */
#define CHAT_REGISTRATION_OPEN 1

/**
 * Nobody but the operator.
 */
#define CHAT_REGISTRATION_CLOSED 2

/**
 * Chats.
 */
#define CHAT_RIGHTS_USER 1

/**
 * Sees every room, may join it, and is an owner in those that it is a member of.
 */
#define CHAT_RIGHTS_ADMIN 2

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that runs, as text: "0.1.0".
 *
 * @return A string that lives for ever.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_version(void);

/**
 * The version of the library that runs, to be compared with `CHAT_VERSION_NUMBER`, against which the
 * program was compiled. A library with the same SONAME and a greater number can do all that a lesser
 * one could.
 *
 * @return major * 1000000 + minor * 1000 + patch
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
uint32_t chat_version_number(void);

/**
 * The name of a status, like "CHAT_CLOSED".
 *
 * @param status Any number.
 * @return A string that lives for ever; "CHAT_UNKNOWN" for a number that is no status.
 * @threadsafe yes, and from callbacks, too
 * @since 0.1
 */
CHAT_API const char *chat_status_name(chat_status status);

/**
 * What a status means and what to do about it, for people.
 *
 * @param status Any number.
 * @return A string that lives for ever.
 * @threadsafe yes, and from callbacks, too
 * @since 0.1
 */
CHAT_API const char *chat_status_message(chat_status status);

/**
 * Whether doing the same again later may succeed.
 *
 * @param status Any number.
 * @return 1 or 0
 * @threadsafe yes, and from callbacks, too
 * @since 0.1
 */
CHAT_API int32_t chat_status_retryable(chat_status status);

/**
 * What exactly was wrong with the last call of this thread that failed: a sentence for people. Each
 * thread has its own, so it is there also when a `new` failed, and threads don't overwrite each other.
 *
 * @return A string that is valid until this thread calls the library again; empty when nothing failed
 *         so far.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
const char *chat_last_error(void);

/**
 * Sends the log of the library to a callback. Without one it goes nowhere: nothing is ever written to
 * stdout or stderr. Returns when a callback that was set before does not run any more, so that its
 * `user` may go away then.
 *
 * @param level The least grave lines that are wanted, `CHAT_LOG_ERROR` to `CHAT_LOG_TRACE`.
 * @param callback May be NULL: no log.
 * @param user Handed to the callback.
 * @return CHAT_OK; CHAT_INVALID for a level that is none; CHAT_MISUSE from inside of a callback.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_set_log(chat_log_level level,
                         chat_log_fn callback,
                         void *user);

/**
 * Makes a new send id: the time and random bits, as `chat_send_options.send_id` takes it. Write it
 * down with what is to be sent, and the same thing can be sent again after a crash without arriving
 * twice.
 *
 * @param id Receives 16 bytes.
 * @return CHAT_OK; CHAT_INVALID
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_status chat_new_send_id(uint8_t *id);

/**
 * Frees a string that a function of this library returned as `char *`. Does nothing for NULL. Strings
 * that are returned as `const char *` belong to the object that gave them and are never freed.
 *
 * @param string NULL, or what a function of this library returned.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
void chat_string_free(char *string);

/**
 * Frees an event, and everything that was borrowed from it: texts and items. Does nothing for NULL, nor
 * for an item: that goes with its event.
 *
 * @param event NULL or an event.
 * @return CHAT_OK; CHAT_BAD_HANDLE when it was freed before; CHAT_MISUSE for an item; CHAT_FORKED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_event_free(struct chat_event *event);

/**
 * The event as a line of JSON, as `chat-cli --json` writes it; the manual of chat-cli names the fields.
 *
 * @param event The event.
 * @return A string to be freed with `chat_string_free`; NULL for a bad handle.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
char *chat_event_to_json(const struct chat_event *event);

/**
 * What the event is.
 *
 * @param event The event.
 * @return `CHAT_EVENT_REPLY` and so on; 0 for a bad handle.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_event_type chat_event_get_type(const struct chat_event *event);

/**
 * The number of the request that the event belongs to.
 *
 * @param event The event.
 * @return The number; 0 when it belongs to none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint64_t chat_event_request(const struct chat_event *event);

/**
 * What became of it.
 *
 * @param event The event.
 * @return CHAT_OK for events that say nothing about it; CHAT_BAD_HANDLE for a bad handle.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_status chat_event_status(const struct chat_event *event);

/**
 * How many items its list has.
 *
 * @param event The event.
 * @return The number; 0 without a list.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint32_t chat_event_item_count(const struct chat_event *event);

/**
 * An item of its list. All functions for events work with it; it is valid until the event is freed.
 *
 * @param event The event.
 * @param index From 0.
 * @param item Receives the item.
 * @return CHAT_OK; CHAT_INVALID when there is no such item; CHAT_BAD_HANDLE; CHAT_FULL with too many
 *         handles.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_event_item(const struct chat_event *event,
                            uint32_t index,
                            const struct chat_event **item);

/**
 * Bits that say more.
 *
 * @param event The event.
 * @return `CHAT_FLAG_EDITED` and so on, added.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_flags chat_event_flags(const struct chat_event *event);

/**
 * Where: the name of a room, or the other account of a direct conversation with an @ before it. Every
 * request takes it as it is.
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
const char *chat_event_place(const struct chat_event *event);

/**
 * Length of `chat_event_place`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_place_len(const struct chat_event *event);

/**
 * Who wrote or did it: the name of an account.
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_event_from(const struct chat_event *event);

/**
 * Length of `chat_event_from`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_from_len(const struct chat_event *event);

/**
 * Whom it is about: the name of an account.
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_event_account(const struct chat_event *event);

/**
 * Length of `chat_event_account`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_account_len(const struct chat_event *event);

/**
 * The text: of a message, an edit, a topic, a presence; the emoji of a reaction; the help of a
 * command; the invite link.
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_event_text(const struct chat_event *event);

/**
 * Length of `chat_event_text`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_text_len(const struct chat_event *event);

/**
 * The id of the conversation: 32 hexadecimal digits.
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_event_conversation(const struct chat_event *event);

/**
 * Length of `chat_event_conversation`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_conversation_len(const struct chat_event *event);

/**
 * What the application called the send.
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_event_label(const struct chat_event *event);

/**
 * Length of `chat_event_label`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_label_len(const struct chat_event *event);

/**
 * A word for why: as in the field `reason` or `code` of the JSON lines. Stable.
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_event_reason(const struct chat_event *event);

/**
 * Length of `chat_event_reason`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_reason_len(const struct chat_event *event);

/**
 * A sentence for people: what went wrong and what to do. May change.
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_event_message(const struct chat_event *event);

/**
 * Length of `chat_event_message`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_message_len(const struct chat_event *event);

/**
 * The name of a file, a device or a command. Not a path to be trusted. In the reply to a fetch: the path
 * of the file on this machine.
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
const char *chat_event_name(const struct chat_event *event);

/**
 * Length of `chat_event_name`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_name_len(const struct chat_event *event);

/**
 * What the file is, as its sender says: "image/png".
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_event_media_type(const struct chat_event *event);

/**
 * Length of `chat_event_media_type`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_media_type_len(const struct chat_event *event);

/**
 * The fingerprint of the server's key, "SHA256:..".
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_event_fingerprint(const struct chat_event *event);

/**
 * Length of `chat_event_fingerprint`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_fingerprint_len(const struct chat_event *event);

/**
 * The fingerprint that was expected instead.
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_event_known_fingerprint(const struct chat_event *event);

/**
 * Length of `chat_event_known_fingerprint`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_known_fingerprint_len(const struct chat_event *event);

/**
 * To be passed on for the next page of a list; empty on the last one.
 *
 * @param event The event.
 * @return A string that is valid until the event is freed; empty when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_event_next(const struct chat_event *event);

/**
 * Length of `chat_event_next`.
 *
 * @param event The event.
 * @return Bytes, without the NUL at the end.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_next_len(const struct chat_event *event);

/**
 * The send id of an entry or a send.
 *
 * @param event The event.
 * @return 16 bytes that are valid until the event is freed; NULL when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const uint8_t *chat_event_send_id(const struct chat_event *event);

/**
 * Length of `chat_event_send_id`.
 *
 * @param event The event.
 * @return 16, or 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_send_id_len(const struct chat_event *event);

/**
 * The id of a file.
 *
 * @param event The event.
 * @return 16 bytes that are valid until the event is freed; NULL when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const uint8_t *chat_event_blob(const struct chat_event *event);

/**
 * Length of `chat_event_blob`.
 *
 * @param event The event.
 * @return 16, or 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_blob_len(const struct chat_event *event);

/**
 * The BLAKE3 hash of a file.
 *
 * @param event The event.
 * @return 32 bytes that are valid until the event is freed; NULL when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const uint8_t *chat_event_hash(const struct chat_event *event);

/**
 * Length of `chat_event_hash`.
 *
 * @param event The event.
 * @return 32, or 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API size_t chat_event_hash_len(const struct chat_event *event);

/**
 * The place of an entry in the log of its conversation.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint64_t chat_event_seq(const struct chat_event *event);

/**
 * The place of the entry before; who has that one has missed nothing.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint64_t chat_event_prev(const struct chat_event *event);

/**
 * The entry that this one replies to or changes.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint64_t chat_event_target(const struct chat_event *event);

/**
 * The run of the log. Another one means that the log may have gone back.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint64_t chat_event_epoch(const struct chat_event *event);

/**
 * When: milliseconds since 1970.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API int64_t chat_event_time_ms(const struct chat_event *event);

/**
 * When it was last there: milliseconds since 1970.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API int64_t chat_event_seen_ms(const struct chat_event *event);

/**
 * Until when: milliseconds since 1970; 0: for ever.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API int64_t chat_event_until_ms(const struct chat_event *event);

/**
 * Try again after so many milliseconds.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint32_t chat_event_retry_ms(const struct chat_event *event);

/**
 * `CHAT_ROLE_MEMBER` and so on.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API int32_t chat_event_role(const struct chat_event *event);

/**
 * `CHAT_CHANGE_JOINED` and so on.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API int32_t chat_event_change(const struct chat_event *event);

/**
 * `CHAT_PRESENCE_ONLINE` and so on.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API int32_t chat_event_presence(const struct chat_event *event);

/**
 * Bytes of a file.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint64_t chat_event_size(const struct chat_event *event);

/**
 * Bytes of a file that are through.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint64_t chat_event_transferred(const struct chat_event *event);

/**
 * The last entry of a conversation.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint64_t chat_event_head(const struct chat_event *event);

/**
 * The last entry that was read.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint64_t chat_event_read(const struct chat_event *event);

/**
 * The last entry that arrived.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint64_t chat_event_delivered(const struct chat_event *event);

/**
 * How many texts and files came after the last one that was read.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint32_t chat_event_unread(const struct chat_event *event);

/**
 * How many of them name this account.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint32_t chat_event_mentions(const struct chat_event *event);

/**
 * How many members a room has.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint32_t chat_event_members(const struct chat_event *event);

/**
 * How many devices an account has.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint32_t chat_event_devices(const struct chat_event *event);

/**
 * The id of a device.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint64_t chat_event_device(const struct chat_event *event);

/**
 * A number; the type of the event says of what.
 *
 * @param event The event.
 * @return The number; 0 when there is none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint64_t chat_event_count(const struct chat_event *event);

/**
 * Fills options with their defaults.
 *
 * @param options Receives `size` bytes.
 * @param size sizeof(chat_client_options)
 * @return CHAT_OK; CHAT_INVALID; CHAT_BAD_OPTIONS for a size that no version has.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_status chat_client_options_init(struct chat_client_options *options, uint32_t size);

/**
 * Makes a client and opens its profile. Nothing is connected before `chat_client_connect`; requests
 * may be made before and wait. Reads and writes the disk.
 *
 * @param options How it connects; needs at least `account`, and `address` or `server`.
 * @param client Receives the handle; ends with `chat_client_free`.
 * @return CHAT_OK; CHAT_BUSY when another process has the profile; CHAT_TOO_NEW, CHAT_LOCAL about the
 *         profile; CHAT_INVALID, CHAT_BAD_OPTIONS, CHAT_BAD_NAME, CHAT_BAD_ADDRESS, CHAT_BAD_UTF8,
 *         CHAT_TOO_LONG about the options; CHAT_BAD_HANDLE about `server`; CHAT_FULL with too many
 *         handles; CHAT_FORKED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_new(const struct chat_client_options *options,
                            struct chat_client **client);

/**
 * Connects and logs in. The reply comes with the login: CHAT_OK, or why there is none. The events
 * `CHAT_EVENT_CONNECTED` (each time), `CHAT_EVENT_RECONNECTING` and `CHAT_EVENT_CLOSED` tell the rest.
 *
 * @param client The client.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_MISUSE when it was called before; CHAT_CLOSED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_connect(struct chat_client *client,
                                uint64_t *request);

/**
 * Waits for the next event. Asking for the next one says that the one before is dealt with: only then
 * its place is saved, so that a crash before brings it again.
 *
 * @param client The client.
 * @param timeout_ms How long to wait at most; 0: not at all; negative: as long as it takes.
 * @param event Receives the event, which ends with `chat_event_free`; or NULL, when there was none in
 *        time, or `chat_client_interrupt` was called.
 * @return CHAT_OK; CHAT_CLOSED when the last event was taken; CHAT_BUSY while another thread waits;
 *         CHAT_MISUSE inside of a callback with a time-out other than 0.
 * @threadsafe yes; one thread at a time
 * @since 0.1
 */
CHAT_API
chat_status chat_client_next_event(struct chat_client *client,
                                   int32_t timeout_ms,
                                   struct chat_event **event);

/**
 * A file descriptor that is readable while events wait, and after closing: for `poll`, `epoll`,
 * `select` and their like. It is level-triggered and belongs to the client: never read, write or close
 * it. It is gone after `chat_client_free`.
 *
 * @param client The client.
 * @return The descriptor; -1 for a bad handle, or where there are none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
int32_t chat_client_fd(struct chat_client *client);

/**
 * Sets the callback that is called when there are events to take. Returns when one that was set before
 * does not run any more, so that its `user` may go away then. If events wait already it is called at
 * once.
 *
 * @param client The client.
 * @param callback NULL: none.
 * @param user Handed to the callback.
 * @return CHAT_OK; CHAT_MISUSE inside of a callback.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_set_wakeup(struct chat_client *client,
                                   chat_wakeup_fn callback,
                                   void *user);

/**
 * Makes a `chat_client_next_event` that waits return without an event; if none waits, the next one that
 * would.
 *
 * @param client The client.
 * @return CHAT_OK
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_interrupt(struct chat_client *client);

/**
 * Leaves: settles every request so far for at most `flush_ms`, says goodbye, and returns. What is open
 * then is replied to with CHAT_PENDING (a send in a durable outbox) or CHAT_CLOSED; these events and the
 * last one, `CHAT_EVENT_CLOSED`, can still be taken. Takes at most three seconds longer than `flush_ms`.
 * Any number of calls from any threads; a shorter `flush_ms` shortens those that wait. Inside of a
 * callback it begins to close and does not wait.
 *
 * @param client The client.
 * @param flush_ms How long to wait for replies; 0: not at all.
 * @return CHAT_OK when everything was settled; CHAT_TIMEOUT when something stayed open.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_close(struct chat_client *client,
                              uint32_t flush_ms);

/**
 * Closes without waiting for replies, and frees. Waiting threads return with CHAT_CLOSED. After it no
 * callback comes and nothing that knows the client runs. Events that were taken stay valid until their
 * own `chat_event_free`. Does nothing for NULL, nor in a forked child.
 *
 * @param client NULL or a client.
 * @return CHAT_OK; CHAT_MISUSE inside of a callback: nothing was freed; CHAT_BAD_HANDLE when it was
 *         freed before; CHAT_FORKED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_free(struct chat_client *client);

/**
 * What the client is doing.
 *
 * @param client The client.
 * @return `CHAT_STATE_NEW` and so on; -1 for a bad handle.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_state chat_client_state(struct chat_client *client);

/**
 * How many requests have no reply so far, sends included.
 *
 * @param client The client.
 * @return The number; 0 for a bad handle.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API uint32_t chat_client_open_requests(struct chat_client *client);

/**
 * The name of the account, in its normal form.
 *
 * @param client The client.
 * @return A string that is valid until `chat_client_free`; empty for a bad handle.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_client_account(struct chat_client *client);

/**
 * The fingerprint of the server's key.
 *
 * @param client The client.
 * @return A string that is valid until `chat_client_free`; empty before the first login.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_client_fingerprint(struct chat_client *client);

/**
 * Trusts the key that the event `CHAT_EVENT_SERVER_KEY` showed; the login goes on. It is remembered in
 * the profile or the file of known hosts. A key that changed is never accepted this way.
 *
 * @param client The client.
 * @param fingerprint What the event said, after somebody compared it.
 * @return CHAT_OK; CHAT_WRONG_KEY when the server showed another one; CHAT_MISUSE when it showed none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_trust(struct chat_client *client,
                              const char *fingerprint);

/**
 * Gives up a request. Its reply is CHAT_CANCELED, unless it was answered before. What was already on
 * its way to the server may still happen.
 *
 * @param client The client.
 * @param request Its number.
 * @return CHAT_OK; CHAT_NOT_FOUND when no request with that number is open.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_cancel(struct chat_client *client,
                               uint64_t request);

/**
 * Takes a send out of the outbox, also one that an earlier run of the program left there. The reply is
 * CHAT_OK, or CHAT_REFUSED_NO_SUCH_ENTRY when it is not there (any more).
 *
 * @param client The client.
 * @param send_id Which: 16 bytes.
 * @param send_id_len Must be 16.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_INVALID; CHAT_FULL; CHAT_CLOSED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_cancel_send(struct chat_client *client,
                                    const uint8_t *send_id,
                                    size_t send_id_len,
                                    uint64_t *request);

/**
 * Fills options with their defaults.
 *
 * @param options Receives `size` bytes.
 * @param size sizeof(chat_send_options)
 * @return CHAT_OK; CHAT_INVALID; CHAT_BAD_OPTIONS for a size that no version has.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_status chat_send_options_init(struct chat_send_options *options, uint32_t size);

/**
 * Says that the person is writing. No reply; lost without a connection.
 *
 * @param client The client.
 * @param place The room, or the other account with an @ before its name.
 * @return CHAT_OK; CHAT_BAD_NAME; CHAT_CLOSED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_status chat_client_typing(struct chat_client *client, const char *place);

/**
 * Says whether the person is there. No reply; kept over reconnects.
 *
 * @param client The client.
 * @param state `CHAT_PRESENCE_ONLINE` or `CHAT_PRESENCE_AWAY`.
 * @param text What to say about it, at most 128 bytes; may be NULL.
 * @return CHAT_OK; CHAT_INVALID; CHAT_TOO_LONG; CHAT_CLOSED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_presence(struct chat_client *client,
                                 chat_presence state,
                                 const char *text);

/**
 * Sends text to a room or an account.
 *
 * The reply comes when it is on the server's disk, with the entry's place (`chat_event_seq`); with a
 * profile, `CHAT_EVENT_QUEUED` says before that it is in the outbox on this disk.
 *
 * @param client The client.
 * @param place The room, or the other account with an @ before its name.
 * @param text At most 16 KiB.
 * @param options May be NULL.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME;
 *         CHAT_BAD_OPTIONS; CHAT_EMPTY
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_send(struct chat_client *client,
                             const char *place,
                             const char *text,
                             const struct chat_send_options *options,
                             uint64_t *request);

/**
 * Gives an entry of this account a new text. Replied to like a send.
 *
 * @param client The client.
 * @param place The room, or the other account with an @ before its name.
 * @param seq Which entry.
 * @param text At most 16 KiB.
 * @param options May be NULL.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME;
 *         CHAT_BAD_OPTIONS; CHAT_EMPTY
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_edit(struct chat_client *client,
                             const char *place,
                             uint64_t seq,
                             const char *text,
                             const struct chat_send_options *options,
                             uint64_t *request);

/**
 * Deletes an entry: its text is gone for everybody. Replied to like a send.
 *
 * @param client The client.
 * @param place The room, or the other account with an @ before its name.
 * @param seq Which entry.
 * @param options May be NULL.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME;
 *         CHAT_BAD_OPTIONS
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_delete(struct chat_client *client,
                               const char *place,
                               uint64_t seq,
                               const struct chat_send_options *options,
                               uint64_t *request);

/**
 * Reacts to an entry. Replied to like a send.
 *
 * @param client The client.
 * @param place The room, or the other account with an @ before its name.
 * @param seq Which entry.
 * @param emoji Empty takes the reaction back.
 * @param options May be NULL.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME;
 *         CHAT_BAD_OPTIONS
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_react(struct chat_client *client,
                              const char *place,
                              uint64_t seq,
                              const char *emoji,
                              const struct chat_send_options *options,
                              uint64_t *request);

/**
 * Sets the topic of a room. Replied to like a send.
 *
 * @param client The client.
 * @param place The room, or the other account with an @ before its name.
 * @param text At most 512 bytes.
 * @param options May be NULL.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME;
 *         CHAT_BAD_OPTIONS; CHAT_EMPTY
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_topic(struct chat_client *client,
                              const char *place,
                              const char *text,
                              const struct chat_send_options *options,
                              uint64_t *request);

/**
 * Makes a room; this account becomes its owner.
 *
 * @param client The client.
 * @param room The room.
 * @param is_public 1: anybody may join; 0: only who is invited.
 * @param history What newcomers may read: `CHAT_HISTORY_DEFAULT` and so on.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_create(struct chat_client *client,
                               const char *room,
                               int32_t is_public,
                               chat_history history,
                               uint64_t *request);

/**
 * Joins a room.
 *
 * @param client The client.
 * @param room The room.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_join(struct chat_client *client,
                             const char *room,
                             uint64_t *request);

/**
 * Leaves a room.
 *
 * @param client The client.
 * @param room The room.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_leave(struct chat_client *client,
                              const char *room,
                              uint64_t *request);

/**
 * Invites an account into a room.
 *
 * @param client The client.
 * @param room The room.
 * @param account Whose.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_invite(struct chat_client *client,
                               const char *room,
                               const char *account,
                               uint64_t *request);

/**
 * Puts an account out of a room; it may come back.
 *
 * @param client The client.
 * @param room The room.
 * @param account Whose.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_kick(struct chat_client *client,
                             const char *room,
                             const char *account,
                             uint64_t *request);

/**
 * Puts or keeps an account out of a room for good.
 *
 * @param client The client.
 * @param room The room.
 * @param account Whose.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_ban(struct chat_client *client,
                            const char *room,
                            const char *account,
                            uint64_t *request);

/**
 * Lets a banned account come back.
 *
 * @param client The client.
 * @param room The room.
 * @param account Whose.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_unban(struct chat_client *client,
                              const char *room,
                              const char *account,
                              uint64_t *request);

/**
 * Forbids an account to send in a room.
 *
 * @param client The client.
 * @param room The room.
 * @param account Whose.
 * @param seconds For how long; 0: for ever.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_mute(struct chat_client *client,
                             const char *room,
                             const char *account,
                             uint64_t seconds,
                             uint64_t *request);

/**
 * Lets a muted account send again.
 *
 * @param client The client.
 * @param room The room.
 * @param account Whose.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_unmute(struct chat_client *client,
                               const char *room,
                               const char *account,
                               uint64_t *request);

/**
 * Gives a member of a room another role.
 *
 * @param client The client.
 * @param room The room.
 * @param account Whose.
 * @param role `CHAT_ROLE_MEMBER` and so on.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_role(struct chat_client *client,
                             const char *room,
                             const char *account,
                             chat_role role,
                             uint64_t *request);

/**
 * Who is online, among those whose presence this account may see. The reply has a list:
 * `chat_event_item_count`, `chat_event_item`. If `chat_event_next` is not empty there are more.
 *
 * @param client The client.
 * @param next NULL, or what `chat_event_next` said on the page before.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_who(struct chat_client *client,
                            const char *next,
                            uint64_t *request);

/**
 * The members of a conversation. The reply has a list: `chat_event_item_count`, `chat_event_item`. If
 * `chat_event_next` is not empty there are more.
 *
 * @param client The client.
 * @param place The room, or the other account with an @ before its name.
 * @param next NULL, or what `chat_event_next` said on the page before.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_members(struct chat_client *client,
                                const char *place,
                                const char *next,
                                uint64_t *request);

/**
 * The public rooms and the account's own. The reply has a list: `chat_event_item_count`,
 * `chat_event_item`. If `chat_event_next` is not empty there are more.
 *
 * @param client The client.
 * @param next NULL, or what `chat_event_next` said on the page before.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_rooms(struct chat_client *client,
                              const char *next,
                              uint64_t *request);

/**
 * The account's conversations, with what is unread. The reply has a list: `chat_event_item_count`,
 * `chat_event_item`. If `chat_event_next` is not empty there are more.
 *
 * @param client The client.
 * @param next NULL, or what `chat_event_next` said on the page before.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_conversations(struct chat_client *client,
                                      const char *next,
                                      uint64_t *request);

/**
 * Reads the log of a conversation: entries in order, edits and reactions folded in. The reply has a
 * list: `chat_event_item_count`, `chat_event_item`. If `chat_event_next` is not empty there are more.
 *
 * @param client The client.
 * @param place The room, or the other account with an @ before its name.
 * @param from Where to begin: `CHAT_HISTORY_END` and so on.
 * @param seq Before, after or around which entry; not used with `CHAT_HISTORY_END`.
 * @param limit Most entries; 0: 100, which is also the most.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_history(struct chat_client *client,
                                const char *place,
                                chat_history_from from,
                                uint64_t seq,
                                uint32_t limit,
                                uint64_t *request);

/**
 * Looks for words. The reply has a list: `chat_event_item_count`, `chat_event_item`. If
 * `chat_event_next` is not empty there are more.
 *
 * @param client The client.
 * @param place The room or @account; NULL: everywhere.
 * @param text The words.
 * @param next NULL, or what `chat_event_next` said on the page before.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_search(struct chat_client *client,
                               const char *place,
                               const char *text,
                               const char *next,
                               uint64_t *request);

/**
 * Says that the person has read up to an entry.
 *
 * @param client The client.
 * @param place The room, or the other account with an @ before its name.
 * @param seq Which entry.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_read(struct chat_client *client,
                             const char *place,
                             uint64_t seq,
                             uint64_t *request);

/**
 * How far the members of a conversation have read. The reply has a list: `chat_event_item_count`,
 * `chat_event_item`. If `chat_event_next` is not empty there are more.
 *
 * @param client The client.
 * @param place The room, or the other account with an @ before its name.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_receipts(struct chat_client *client,
                                 const char *place,
                                 uint64_t *request);

/**
 * The devices of this account. The reply has a list: `chat_event_item_count`, `chat_event_item`. If
 * `chat_event_next` is not empty there are more.
 *
 * @param client The client.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_status chat_client_devices(struct chat_client *client, uint64_t *request);

/**
 * Locks a device of this account out.
 *
 * @param client The client.
 * @param device Which: `chat_event_device` of the list.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_revoke(struct chat_client *client,
                               uint64_t device,
                               uint64_t *request);

/**
 * Changes the password of this account.
 *
 * @param client The client.
 * @param old_password The one so far; NULL: there is none.
 * @param new_password 8 to 1024 bytes.
 * @param keep_devices 1: the other devices stay enrolled; 0: they need the new password.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_password(struct chat_client *client,
                                 const char *old_password,
                                 const char *new_password,
                                 int32_t keep_devices,
                                 uint64_t *request);

/**
 * Runs a command of a plugin of the server.
 *
 * @param client The client.
 * @param place The room or @account that it is about; NULL: none.
 * @param name Its name.
 * @param args What follows the name; may be NULL.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_command(struct chat_client *client,
                                const char *place,
                                const char *name,
                                const char *args,
                                uint64_t *request);

/**
 * The commands of the server's plugins. The reply has a list: `chat_event_item_count`,
 * `chat_event_item`. If `chat_event_next` is not empty there are more.
 *
 * @param client The client.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_status chat_client_commands(struct chat_client *client, uint64_t *request);

/**
 * The sends that have no final answer, those of earlier runs included. The reply has a list:
 * `chat_event_item_count`, `chat_event_item`. If `chat_event_next` is not empty there are more.
 *
 * @param client The client.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_status chat_client_outbox(struct chat_client *client, uint64_t *request);

/**
 * Makes a request of a JSON line, as `chat-cli --json` takes it: every request there is, for those who
 * bind the library to another language. The reply's `chat_event_to_json` is the answer line.
 *
 * @param client The client.
 * @param line One JSON object.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_JSON
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_request_json(struct chat_client *client,
                                     const char *line,
                                     uint64_t *request);

/**
 * Sends a file. `CHAT_EVENT_QUEUED` says that the profile knows of it, `CHAT_EVENT_PROGRESS` how far it
 * is; the reply comes when the server has all of it. It goes on after lost connections and, with a
 * profile, in the next run of the program.
 *
 * @param client The client.
 * @param place The room, or the other account with an @ before its name.
 * @param path Which file of this machine.
 * @param name What others see; NULL: the last part of the path.
 * @param media_type Like "image/png"; NULL: unknown.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_send_file(struct chat_client *client,
                                  const char *place,
                                  const char *path,
                                  const char *name,
                                  const char *media_type,
                                  uint64_t *request);

/**
 * The same with a send id or a label. Sent twice with the same id it arrives once.
 *
 * @param client The client.
 * @param place The room, or the other account with an @ before its name.
 * @param path Which file of this machine.
 * @param name What others see; NULL: the last part of the path.
 * @param media_type Like "image/png"; NULL: unknown.
 * @param options May be NULL; `reply_to` must be 0.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME;
 *         CHAT_BAD_OPTIONS
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_send_file_with(struct chat_client *client,
                                       const char *place,
                                       const char *path,
                                       const char *name,
                                       const char *media_type,
                                       const struct chat_send_options *options,
                                       uint64_t *request);

/**
 * Fetches a file. `CHAT_EVENT_PROGRESS` tells how far it is; the reply comes when all of it is on this
 * disk and was proven, with its path (`chat_event_name`) and hash. Nothing is overwritten; until then it
 * is called like it with ".part" behind.
 *
 * @param client The client.
 * @param blob Which: `chat_event_blob`, 16 bytes.
 * @param blob_len Must be 16.
 * @param path A file that does not exist, or a folder: then it is called as its sender called it.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_client_fetch(struct chat_client *client,
                              const uint8_t *blob,
                              size_t blob_len,
                              const char *path,
                              uint64_t *request);

/**
 * Fills options with their defaults.
 *
 * @param options Receives `size` bytes.
 * @param size sizeof(chat_server_options)
 * @return CHAT_OK; CHAT_INVALID; CHAT_BAD_OPTIONS for a size that no version has.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_status chat_server_options_init(struct chat_server_options *options, uint32_t size);

/**
 * Fills the struct with zeros and its size.
 *
 * @param stats Receives `size` bytes.
 * @param size sizeof(chat_server_stats)
 * @return CHAT_OK; CHAT_INVALID; CHAT_BAD_OPTIONS for a size that no version has.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_status chat_server_stats_init(struct chat_server_stats *stats, uint32_t size);

/**
 * Makes a server: opens its folder and listens. Nobody is served before `chat_server_start`.
 *
 * @param options How it runs; NULL: in memory, without an address.
 * @param server Receives the handle; ends with `chat_server_free`.
 * @return CHAT_OK; CHAT_BUSY when another process has the folder; CHAT_TOO_NEW, CHAT_LOCAL about the
 *         folder or an address; CHAT_INVALID, CHAT_BAD_OPTIONS, CHAT_BAD_NAME, CHAT_BAD_ADDRESS,
 *         CHAT_BAD_UTF8, CHAT_TOO_LONG about the options; CHAT_FULL with too many handles; CHAT_FORKED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_new(const struct chat_server_options *options,
                            struct chat_server **server);

/**
 * Begins to serve. Calling it again does nothing.
 *
 * @param server The server.
 * @return CHAT_OK; CHAT_CLOSED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_status chat_server_start(struct chat_server *server);

/**
 * Adds a plugin that this program brings with it: the very struct that chat_plugin.h has for files, filled
 * in by hand or by CHAT_PLUGIN_DECLARE. It runs in this process, on threads that a server with plugins has
 * for them, so a crash of it is a crash of the program. Its NAME is what follows the last dot of its id: it
 * sends as `plugin.NAME`. What it logs goes to chat_set_log. When its `init` fails, the server does without
 * it, and the log says why.
 *
 * @param server The server. It must not have started.
 * @param plugin Must stay as it is until the process ends, with all that it points to.
 * @param config_json An object with what `[plugin.NAME]` has in a configuration file: `priority`, `on_error`,
 *        `deadline_ms`, `capabilities`, and what the plugin itself asks for; NULL: nothing.
 * @return CHAT_OK; CHAT_MISUSE when the server has started; CHAT_INVALID about the plugin or the settings,
 *         and chat_last_error says what; CHAT_BAD_JSON; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BUSY when there
 *         is one of that name; CHAT_FULL with too many; CHAT_CLOSED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_add_plugin(struct chat_server *server,
                                   const chat_plugin *plugin,
                                   const char *config_json);

/**
 * Where it listens.
 *
 * @param server The server.
 * @param index From 0, in the order of the options.
 * @return `HOST:PORT`, valid until `chat_server_free`; empty when there is no such address.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_server_address(struct chat_server *server, uint32_t index);

/**
 * The fingerprint of its key, which clients pin.
 *
 * @param server The server.
 * @return "SHA256:..", valid until `chat_server_free`; empty for a bad handle.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API const char *chat_server_fingerprint(struct chat_server *server);

/**
 * Serves a connected stream socket: one that the program accepted itself, one end of a `socketpair`.
 * The server owns it from then on, also when the call fails with anything but CHAT_INVALID,
 * CHAT_BAD_HANDLE or CHAT_FORKED.
 *
 * @param server The server.
 * @param fd The socket. It is made non-blocking and close-on-exec.
 * @return CHAT_OK; CHAT_INVALID when it is no connected stream socket; CHAT_CLOSED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_serve_fd(struct chat_server *server,
                                 int32_t fd);

/**
 * Waits for the next event of the server: replies, and `CHAT_EVENT_CLOSED`.
 *
 * @param server The server.
 * @param timeout_ms How long to wait at most; 0: not at all; negative: as long as it takes.
 * @param event Receives the event, which ends with `chat_event_free`; or NULL, when there was none in
 *        time, or `chat_server_interrupt` was called.
 * @return CHAT_OK; CHAT_CLOSED when the last event was taken; CHAT_BUSY while another thread waits;
 *         CHAT_MISUSE inside of a callback with a time-out other than 0.
 * @threadsafe yes; one thread at a time
 * @since 0.1
 */
CHAT_API
chat_status chat_server_next_event(struct chat_server *server,
                                   int32_t timeout_ms,
                                   struct chat_event **event);

/**
 * As `chat_client_fd`.
 *
 * @param server The server.
 * @return The descriptor; -1 for a bad handle, or where there are none.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API int32_t chat_server_fd(struct chat_server *server);

/**
 * As `chat_client_set_wakeup`.
 *
 * @param server The server.
 * @param callback NULL: none.
 * @param user Handed to the callback.
 * @return CHAT_OK; CHAT_MISUSE inside of a callback.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_set_wakeup(struct chat_server *server,
                                   chat_wakeup_fn callback,
                                   void *user);

/**
 * As `chat_client_interrupt`.
 *
 * @param server The server.
 * @return CHAT_OK
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API chat_status chat_server_interrupt(struct chat_server *server);

/**
 * Stops: takes no new links, lets those that wait for acknowledgements have them, tells everybody
 * goodbye. When it returns, everything acknowledged is on disk. Takes at most eight seconds. Any number
 * of calls from any threads. Inside of a callback it begins to stop and does not wait.
 *
 * @param server The server.
 * @return CHAT_OK; CHAT_TIMEOUT when it did not end in time.
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_stop(struct chat_server *server);

/**
 * Stops and frees. Waiting threads return with CHAT_CLOSED. After it no callback comes and nothing that
 * knows the server runs. Does nothing for NULL, nor in a forked child.
 *
 * @param server NULL or a server.
 * @return CHAT_OK; CHAT_MISUSE inside of a callback: nothing was freed; CHAT_BAD_HANDLE when it was
 *         freed before; CHAT_FORKED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_free(struct chat_server *server);

/**
 * What is counted of the server.
 *
 * @param server The server.
 * @param stats Receives the numbers; its `size` says how many of them.
 * @return CHAT_OK; CHAT_INVALID; CHAT_BAD_OPTIONS; CHAT_CLOSED
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_get_stats(struct chat_server *server,
                                  struct chat_server_stats *stats);

/**
 * Opens an account.
 *
 * @param server The server.
 * @param account Its name.
 * @param password 8 to 1024 bytes; NULL: it can't log in before it has one.
 * @param rights `CHAT_RIGHTS_USER` or `CHAT_RIGHTS_ADMIN`.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_add_account(struct chat_server *server,
                                    const char *account,
                                    const char *password,
                                    chat_rights rights,
                                    uint64_t *request);

/**
 * Sets the password of an account, and locks its devices out.
 *
 * @param server The server.
 * @param account Its name.
 * @param password 8 to 1024 bytes.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_set_password(struct chat_server *server,
                                     const char *account,
                                     const char *password,
                                     uint64_t *request);

/**
 * Deletes an account. Its entries stay.
 *
 * @param server The server.
 * @param account Its name.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_remove_account(struct chat_server *server,
                                       const char *account,
                                       uint64_t *request);

/**
 * Changes what an account may do.
 *
 * @param server The server.
 * @param account Its name.
 * @param rights `CHAT_RIGHTS_USER` or `CHAT_RIGHTS_ADMIN`.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_set_rights(struct chat_server *server,
                                   const char *account,
                                   chat_rights rights,
                                   uint64_t *request);

/**
 * The accounts by name. The reply has a list: `chat_event_item_count`, `chat_event_item`. If
 * `chat_event_next` is not empty there are more.
 *
 * @param server The server.
 * @param next NULL, or what `chat_event_next` said on the page before.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_accounts(struct chat_server *server,
                                 const char *next,
                                 uint64_t *request);

/**
 * Makes an invite. `chat_event_text` of the reply is the link to pass on, `chat_event_name` the token
 * in it.
 *
 * @param server The server.
 * @param uses How often it can be used.
 * @param seconds How long it can be used.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_invite(struct chat_server *server,
                               uint32_t uses,
                               uint64_t seconds,
                               uint64_t *request);

/**
 * All rooms by name. The reply has a list: `chat_event_item_count`, `chat_event_item`. If
 * `chat_event_next` is not empty there are more.
 *
 * @param server The server.
 * @param next NULL, or what `chat_event_next` said on the page before.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_rooms(struct chat_server *server,
                              const char *next,
                              uint64_t *request);

/**
 * The members of a room. The reply has a list: `chat_event_item_count`, `chat_event_item`. If
 * `chat_event_next` is not empty there are more.
 *
 * @param server The server.
 * @param room The room.
 * @param next NULL, or what `chat_event_next` said on the page before.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_members(struct chat_server *server,
                                const char *room,
                                const char *next,
                                uint64_t *request);

/**
 * Puts an account out of a room; it may come back. It is done in the name of the reserved account
 * `server`, whatever roles there are.
 *
 * @param server The server.
 * @param room The room.
 * @param account Its name.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_kick(struct chat_server *server,
                             const char *room,
                             const char *account,
                             uint64_t *request);

/**
 * Puts or keeps an account out of a room for good. It is done in the name of the reserved account
 * `server`, whatever roles there are.
 *
 * @param server The server.
 * @param room The room.
 * @param account Its name.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_ban(struct chat_server *server,
                            const char *room,
                            const char *account,
                            uint64_t *request);

/**
 * Lets a banned account come back. It is done in the name of the reserved account
 * `server`, whatever roles there are.
 *
 * @param server The server.
 * @param room The room.
 * @param account Its name.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_unban(struct chat_server *server,
                              const char *room,
                              const char *account,
                              uint64_t *request);

/**
 * Forbids an account to send in a room. It is done in the name of the reserved account
 * `server`, whatever roles there are.
 *
 * @param server The server.
 * @param room The room.
 * @param account Its name.
 * @param seconds For how long; 0: for ever.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_mute(struct chat_server *server,
                             const char *room,
                             const char *account,
                             uint64_t seconds,
                             uint64_t *request);

/**
 * Lets a muted account send again. It is done in the name of the reserved account
 * `server`, whatever roles there are.
 *
 * @param server The server.
 * @param room The room.
 * @param account Its name.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_unmute(struct chat_server *server,
                               const char *room,
                               const char *account,
                               uint64_t *request);

/**
 * Gives a member of a room another role. It is done in the name of the reserved account
 * `server`, whatever roles there are.
 *
 * @param server The server.
 * @param room The room.
 * @param account Its name.
 * @param role `CHAT_ROLE_MEMBER` and so on.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_role(struct chat_server *server,
                             const char *room,
                             const char *account,
                             chat_role role,
                             uint64_t *request);

/**
 * Changes who may open an account, until the server ends.
 *
 * @param server The server.
 * @param registration `CHAT_REGISTRATION_INVITE` and so on.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_set_registration(struct chat_server *server,
                                         chat_registration registration,
                                         uint64_t *request);

/**
 * Writes a copy of everything that the server keeps into a new folder, while it runs.
 *
 * @param server The server.
 * @param folder Must not exist.
 * @param request Receives the number of the request; may be NULL.
 * @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
 * @threadsafe yes
 * @since 0.1
 */
CHAT_API
chat_status chat_server_backup(struct chat_server *server,
                               const char *folder,
                               uint64_t *request);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CHAT_H */
