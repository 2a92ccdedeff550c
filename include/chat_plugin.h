/*
 * chat_plugin.h: plugins for the chat server, in C and C++.
 *
 * The whole of a plugin:
 *
 *     #include <chat_plugin.h>
 *     #include <string.h>
 *
 *     static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
 *     {
 *         (void)self;
 *         if (event->text == NULL || strstr(event->text, "spam") == NULL)
 *             return CHAT_PASS;
 *         host->set_reason(host, event, "no spam here");
 *         return CHAT_REJECT;
 *     }
 *
 *     static chat_status init(const chat_host *host, void **self)
 *     {
 *         (void)self;
 *         return host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
 *     }
 *
 *     CHAT_PLUGIN_DECLARE("org.example.nospam", "No spam", "1.0", "MIT",
 *                         CHAT_CAP_READ_TEXT | CHAT_CAP_REJECT, init, NULL);
 *
 * Build it by `cc -shared -fPIC nospam.c -o nospam.so`, look at it by `chat-cli plugin check nospam.so`,
 * and copy it into the folder of plugins of a running server. (C++: add -fno-gnu-unique with g++.)
 *
 * Hooks
 *
 *   name             answers            on a fault  holds up                        fields
 *   ---------------  -----------------  ----------  ------------------------------  ------------------------------
 *   CONNECT          pass reject defer  pass        this link                       address
 *   LOGIN            pass reject defer  reject      this link                       from name(device)
 *   ENTRY            pass modified      pass        later entries of this sender    kind flags time_ms target
 *                    reject defer                   in this conversation            account conversation room from
 *                                                                                   to id text, by kind: name args
 *                                                                                   media_type bytes
 *   COMMAND          handled reject     reject      nothing                         flags account conversation
 *                    pass defer                                                     room from to name args
 *   FILE_OFFER       pass reject defer  pass        this file                       flags account conversation
 *                                                                                   room from to name media_type
 *                                                                                   bytes
 *   FILE_COMPLETE    pass reject defer  pass        this file                       the same
 *   ENTRY_POST       (ignored)          -           nothing                         as ENTRY but to; seq prev
 *   PRESENCE_POST    (ignored)          -           nothing                         from text flags reason dropped
 *   DISCONNECT_POST  (ignored)          -           nothing                         from reason dropped
 *   TICK             (ignored)          -           nothing                         time_ms
 *   RELOAD           (ignored)          -           nothing                         time_ms
 *
 * Every hook whose answer counts may defer it; what it holds up waits until then, or until the deadline.
 *
 * The operator can turn "on a fault" into pass or reject by `on_error` under `[plugin.NAME]`. A fault is: a
 * negative verdict, one that does not exist, CHAT_MODIFIED without `set_text`, no answer before the
 * deadline (2 seconds, or the `deadline_ms` of the operator), a crash. Too many faults stop the plugin, and
 * the log says so.
 *
 * A filter sees the text as the filters before it left it. ENTRY is asked for every kind of entry, so look
 * at `kind`: what a text may not say, an edit, a topic, a reaction or a presence text should not say
 * either. A re-sent entry is asked about once. An observer (.._POST) of entries sees every entry of the
 * log at least once and in order, over restarts and new versions; the other observers are best effort and
 * count in `dropped` what they missed.
 *
 * Threads: the server calls one function of an instance at a time, on whatever thread, so a plugin needs no
 * locks unless it starts threads, and keeps nothing in thread-local variables. By default a plugin runs in a
 * process of its own, which the server starts again when it crashes: never keep in memory what must not be
 * lost, see "chat.kv/1".
 *
 * Nothing is freed across the border: what the server gives belongs to the server, what a plugin gives is
 * copied before the call returns.
 */

#ifndef CHAT_PLUGIN_H
#define CHAT_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

typedef struct chat_plugin chat_plugin;
typedef struct chat_host chat_host;
typedef struct chat_plugin_event chat_plugin_event;
typedef struct chat_ext_command chat_ext_command;
typedef struct chat_ext_defer chat_ext_defer;
typedef struct chat_ext_kv chat_ext_kv;
typedef struct chat_ext_metrics chat_ext_metrics;
typedef struct chat_ext_notice chat_ext_notice;
typedef struct chat_ext_timer chat_ext_timer;

/**
 * The version of this contract. It changes only when a plugin of the old one can't be loaded any more,
 * and then the symbol `chat_plugin_v1` gets another name, too. What is added meanwhile is found by
 * CHAT_HAS() and by `extension`.
 */
#define CHAT_PLUGIN_ABI 1

/**
 * Kinds of entries: `kind` of an event. An unknown one comes from a later version: pass it.
 */
#define CHAT_KIND_TEXT 1

/**
 * A file is offered: its name is the text; `media_type`, `bytes`.
 */
#define CHAT_KIND_FILE 2

/**
 * New text for `target`.
 */
#define CHAT_KIND_EDIT 3

/**
 * `target` is deleted.
 */
#define CHAT_KIND_REDACTION 4

/**
 * A reaction to `target`; the text is the emoji, empty takes it back.
 */
#define CHAT_KIND_REACTION 5

/**
 * A membership changes: `name` is whose, `args` what happens ("joined", "left", "kicked", "banned",
 * "unbanned", "invited", "role", "muted", "unmuted").
 */
#define CHAT_KIND_MEMBER 6

/**
 * The room's topic.
 */
#define CHAT_KIND_TOPIC 7

/**
 * No entry: what somebody says about being away. It meets the entry hook too, or a filter could be
 * walked round by it.
 */
#define CHAT_KIND_PRESENCE 31

/**
 * Flag of an event: the conversation is between two accounts.
 */
#define CHAT_FLAG_DIRECT 1

/**
 * Flag of an event: the body is sealed end to end; nobody here can read it, and `text` is NULL. No client
 * of this version seals.
 */
#define CHAT_FLAG_SEALED 2

/**
 * Flag of an event: the sender is a bot. Don't answer it, or two bots talk for ever.
 */
#define CHAT_FLAG_BOT 4

/**
 * Flag of an observer's event: it may have been seen before (after a crash).
 */
#define CHAT_FLAG_AGAIN 8

/**
 * Flag of a presence event, and of what chat.h lists: the account or the device is connected now.
 */
#define CHAT_FLAG_ONLINE 16

/**
 * Flag of a presence event: the account is away.
 */
#define CHAT_FLAG_AWAY 32

/**
 * Flag of a presence event: it was not online before, or is not any more.
 */
#define CHAT_FLAG_CHANGED 64

/**
 * Capability: the text of entries in rooms. Without it `text` is NULL.
 */
#define CHAT_CAP_READ_TEXT 1

/**
 * Capability: events of direct conversations. Without it they are not shown at all.
 */
#define CHAT_CAP_READ_DIRECT 2

/**
 * Capability: CHAT_MODIFIED. Without it that verdict passes.
 */
#define CHAT_CAP_MODIFY 4

/**
 * Capability: CHAT_REJECT. Without it that verdict passes.
 */
#define CHAT_CAP_REJECT 8

/**
 * Capability: `send`, as the account `plugin.NAME`.
 */
#define CHAT_CAP_SEND 16

/**
 * Capability: the extension "chat.notice/1".
 */
#define CHAT_CAP_NOTICE 32

/**
 * Capability: the extension "chat.command/1".
 */
#define CHAT_CAP_COMMAND 64

/**
 * Capability: `address` of events.
 */
#define CHAT_CAP_ADDRESS 128

/**
 * Level of a line in the log: the operator has to do something.
 */
#define CHAT_LOG_ERROR 1

/**
 * Level of a line in the log: something is not as it should be.
 */
#define CHAT_LOG_WARN 2

/**
 * Level of a line in the log: worth knowing.
 */
#define CHAT_LOG_INFO 3

/**
 * Level of a line in the log: for the author of the plugin.
 */
#define CHAT_LOG_DEBUG 4

/**
 * What became of a call or a request. 0 is success, everything else is a positive number that never
 * changes its meaning. The ranges say whose fault it is: 1-19 the caller, 20-29 nobody (it ended),
 * 30-39 the link, 40-49 the other end, 50-59 this machine, 90-99 this library, 100-199 the server said
 * no. Numbers that you don't know may come from later versions: treat them by their range. The ones that
 * only programs meet, and no plugin, are in chat.h.
 */
typedef int32_t chat_status;

/**
 * What a hook decides about its event. A negative number is a fault: it is counted, and the plugin's
 * `on_error` decides. So is a number that stands nowhere below.
 */
typedef int32_t chat_verdict;

/**
 * Where a plugin can take part; see the table at the top.
 */
typedef uint32_t chat_hook;

/**
 * What a hook is shown. The table at the top says which hook fills which fields; the others are 0 or
 * NULL. It belongs to the server and lives until the hook returns, after CHAT_DEFER until `resolve`.
 * Every text is UTF-8 and ends with a NUL that is not counted in its length.
 */
struct chat_plugin_event {
    /**
     * Bytes of this struct in the server's version.
     */
    uint32_t size;
    /**
     * Which hook this is.
     */
    chat_hook hook;
    /**
     * What kind of entry, CHAT_KIND_..
     */
    uint32_t kind;
    /**
     * CHAT_FLAG_..
     */
    uint32_t flags;
    /**
     * Milliseconds since 1970.
     */
    uint64_t time_ms;
    /**
     * Place in the log. 0 before the entry is in it.
     */
    uint64_t seq;
    /**
     * Place of the entry before it.
     */
    uint64_t prev;
    /**
     * Place of the entry that this one replies to, edits, deletes or reacts to; 0 for none.
     */
    uint64_t target;
    /**
     * Number of the sender's account; never used for another one.
     */
    uint64_t account;
    /**
     * Bytes of a file.
     */
    uint64_t bytes;
    /**
     * Events before this one that could not be shown, where they are not kept in a log.
     */
    uint64_t dropped;
    /**
     * The conversation: 32 hex digits.
     */
    const char *conversation;
    /**
     * Name of the room; NULL in a direct conversation.
     */
    const char *room;
    /**
     * Name of the sender.
     */
    const char *from;
    /**
     * In a direct conversation, the other account. NULL in ENTRY_POST: the log tells the sender alone.
     */
    const char *to;
    /**
     * What the sending device called the entry: 32 hex digits.
     */
    const char *id;
    /**
     * The text, as the filters before this one left it; for a file, its name. NULL where there is none,
     * and without CHAT_CAP_READ_TEXT.
     */
    const char *text;
    /**
     * Bytes of the text.
     */
    uint64_t text_len;
    /**
     * Name of the device, of the command, of the file, or of the account whose membership changes.
     */
    const char *name;
    /**
     * What follows the command's name, or what happens to the membership. Never NULL for a command.
     */
    const char *args;
    /**
     * Where the link comes from. NULL without CHAT_CAP_ADDRESS.
     */
    const char *address;
    /**
     * Media type of a file.
     */
    const char *media_type;
    /**
     * Why a link is gone: "left", "lost", "timeout", "kicked", "replaced", ..
     */
    const char *reason;
};

/**
 * A hook of the plugin.
 */
typedef chat_verdict (*chat_hook_fn)(void *instance,
                                     const struct chat_host *host,
                                     const struct chat_plugin_event *event);

/**
 * What the server does for one instance of a plugin. It lives as long as the process, so a late call is
 * no crash: it answers CHAT_RETIRED. Later versions have more fields at the end: ask by CHAT_HAS().
 *
 * `hook` and `keep` are for the thread that the server called on; everything else may be called from any
 * thread.
 */
struct chat_host {
    /**
     * Bytes of this struct in the server's version.
     */
    uint32_t size;
    /**
     * CHAT_PLUGIN_ABI of the server.
     */
    uint32_t abi;
    /**
     * The server's own.
     */
    void *ctx;
    /**
     * The server's version, for logs.
     */
    const char *version;
    /**
     * What the operator calls the plugin: the file without `lib` and `.so`. It sends as `plugin.NAME`.
     */
    const char *name;
    /**
     * A folder for this plugin alone. It stays over restarts and new versions.
     */
    const char *state_dir;
    /**
     * 1 while the server only looks whether `init` works, in a process that ends right after it, with
     * the real configuration and an empty state folder. Touch nothing outside then: open no socket, log
     * file or account.
     */
    uint32_t probe;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Writes a line into the server's log.
     */
    chat_status (*log)(const struct chat_host *host, int32_t level, const char *text);
    /**
     * What the operator wrote as `key` under `[plugin.NAME]`, as text: numbers in decimal, `true` or
     * `false`, lists one item a line. NULL when it is not there. The key "" answers all of it as one JSON
     * object. Lives as long as the instance.
     */
    const char *(*config)(const struct chat_host *host, const char *key);
    /**
     * Takes part in a hook; only from `init`. Higher priorities go first, ties by the plugin's id; an
     * operator's `priority` wins. One function a hook.
     */
    chat_status (*hook)(const struct chat_host *host, chat_hook hook, int32_t priority, chat_hook_fn function);
    /**
     * New text for the event; answer CHAT_MODIFIED after it. At most 16,384 bytes, for a topic 512, for a
     * reaction 64. Copied.
     */
    chat_status (*set_text)(const struct chat_host *host,
                            const struct chat_plugin_event *event,
                            const char *text,
                            uint64_t len);
    /**
     * What the sender is told when it is refused. At most 200 bytes. Copied.
     */
    chat_status (*set_reason)(const struct chat_host *host,
                              const struct chat_plugin_event *event,
                              const char *reason);
    /**
     * Sends text as `plugin.NAME`, to a room or to an account: one of `room` and `to` is NULL. CHAT_OK
     * means that it is queued. Needs CHAT_CAP_SEND.
     */
    chat_status (*send)(const struct chat_host *host, const char *room, const char *to, const char *text);
    /**
     * Hands state over to the next version; only from `save`, once. At most 1 MiB. Copied.
     */
    chat_status (*keep)(const struct chat_host *host, const void *data, uint64_t len);
    /**
     * A table of more functions by its name, or NULL when this server does not have it:
     * "chat.command/1" is a chat_ext_command, "chat.defer/1" a chat_ext_defer, "chat.kv/1" a chat_ext_kv,
     * "chat.metrics/1" a chat_ext_metrics, "chat.notice/1" a chat_ext_notice, "chat.timer/1" a chat_ext_timer.
     */
    const void *(*extension)(const struct chat_host *host, const char *id);
};

/**
 * Makes an instance and takes part in hooks. What it stores in `instance` is handed to every hook.
 * Not CHAT_OK keeps the plugin off; say why by `log` first.
 */
typedef chat_status (*chat_init_fn)(const struct chat_host *host, void **instance);

/**
 * Ends an instance. No hook of it runs any more.
 */
typedef void (*chat_destroy_fn)(void *instance, const struct chat_host *host);

/**
 * Hands the state over by `keep`, when a new version of the plugin takes its place.
 */
typedef chat_status (*chat_save_fn)(void *instance, const struct chat_host *host);

/**
 * Takes the state that the version before handed over. Not CHAT_OK keeps the old one.
 */
typedef chat_status (*chat_restore_fn)(void *instance,
                                       const struct chat_host *host,
                                       const void *data,
                                       uint64_t len);

/**
 * What a plugin says about itself: the one symbol that it exports, `chat_plugin_v1`, written by
 * CHAT_PLUGIN_DECLARE. It is data, so nothing of the plugin runs before it was judged.
 */
struct chat_plugin {
    /**
     * Bytes of this struct as the plugin knows it.
     */
    uint32_t size;
    /**
     * CHAT_PLUGIN_ABI.
     */
    uint32_t abi;
    /**
     * Who it is for ever, like "org.example.shout". A second plugin with it is refused.
     */
    const char *id;
    /**
     * For people.
     */
    const char *name;
    /**
     * For people.
     */
    const char *version;
    /**
     * For people: an SPDX expression.
     */
    const char *license;
    /**
     * CHAT_CAP_.. that it needs. The operator may take some away.
     */
    uint64_t capabilities;
    /**
     * 0.
     */
    uint64_t flags;
    /**
     * Needed.
     */
    chat_init_fn init;
    /**
     * May be NULL.
     */
    chat_destroy_fn destroy;
    /**
     * May be NULL: the next version starts afresh.
     */
    chat_save_fn save;
    /**
     * May be NULL: what the version before saved is lost.
     */
    chat_restore_fn restore;
};

/**
 * "chat.command/1": commands that people can call. Needs CHAT_CAP_COMMAND.
 */
struct chat_ext_command {
    /**
     * Bytes of this struct in the server's version.
     */
    uint32_t size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Offers a command; only from `init`. Names are 1 to 32 of a-z, 0-9, `-`, `_`. `usage` is what
     * follows the name, `NdSIDES`, `help` one line. The function is shown `name` and `args`, and
     * answers CHAT_HANDLED, CHAT_REJECT, CHAT_DEFER, or CHAT_PASS: not mine after all.
     */
    chat_status (*add)(const struct chat_host *host,
                       const char *name,
                       const char *usage,
                       const char *help,
                       chat_hook_fn function);
    /**
     * Copies all commands that there are now, of every plugin, to `data`, at most `capacity` bytes of
     * it, and the whole length to `len`. One command a line, sorted: the name, a tab, and what it takes and
     * does. Clients can ask for the same. Empty in `init`, where nobody knows them yet.
     */
    chat_status (*list)(const struct chat_host *host, void *data, uint64_t capacity, uint64_t *len);
};

/**
 * "chat.defer/1": answers that come later.
 */
struct chat_ext_defer {
    /**
     * Bytes of this struct in the server's version.
     */
    uint32_t size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * The answer to an event whose hook answered CHAT_DEFER, or is about to: CHAT_PASS, CHAT_MODIFIED,
     * CHAT_REJECT or CHAT_HANDLED. To be called once for each, from any thread, whatever the deadline
     * did meanwhile; the event is gone after it. CHAT_TOO_LATE when the deadline has decided already.
     */
    chat_status (*resolve)(const struct chat_host *host,
                           const struct chat_plugin_event *event,
                           chat_verdict verdict);
};

/**
 * "chat.kv/1": values by key, kept over restarts and new versions. On disk within a second, and when the
 * plugin stops. Keys are text of 1 to 128 bytes, a value has at most 64 KiB, all of them 4 MiB.
 */
struct chat_ext_kv {
    /**
     * Bytes of this struct in the server's version.
     */
    uint32_t size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Copies the value to `data`, at most `capacity` bytes of it, and its whole length to `len`.
     * CHAT_NOT_FOUND when there is none.
     */
    chat_status (*get)(const struct chat_host *host,
                       const char *key,
                       void *data,
                       uint64_t capacity,
                       uint64_t *len);
    /**
     * Sets a value.
     */
    chat_status (*put)(const struct chat_host *host, const char *key, const void *data, uint64_t len);
    /**
     * Takes a value away. CHAT_NOT_FOUND when there is none.
     */
    chat_status (*remove)(const struct chat_host *host, const char *key);
};

/**
 * "chat.metrics/1": numbers that the operator sees in `chat-cli plugin list --json`. Names are 1 to 64 of
 * a-z, 0-9, `_`; at most 64 of them.
 */
struct chat_ext_metrics {
    /**
     * Bytes of this struct in the server's version.
     */
    uint32_t size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Adds to a counter.
     */
    chat_status (*add)(const struct chat_host *host, const char *name, uint64_t n);
    /**
     * Sets a gauge.
     */
    chat_status (*set)(const struct chat_host *host, const char *name, int64_t value);
};

/**
 * "chat.notice/1": text for one account alone, which is not logged. Needs CHAT_CAP_NOTICE.
 */
struct chat_ext_notice {
    /**
     * Bytes of this struct in the server's version.
     */
    uint32_t size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Tells an account something. `room` says where it belongs, or is NULL. Who is not online misses it.
     */
    chat_status (*tell)(const struct chat_host *host, const char *account, const char *room, const char *text);
    /**
     * Answers the sender of an event: the device that called a command, every device of who sent an
     * entry.
     */
    chat_status (*reply)(const struct chat_host *host, const struct chat_plugin_event *event, const char *text);
};

/**
 * A timer's function. It is called like a hook, never at the same time as one.
 */
typedef void (*chat_timer_fn)(void *instance, const struct chat_host *host, uint64_t timer);

/**
 * "chat.timer/1": calls at a time.
 */
struct chat_ext_timer {
    /**
     * Bytes of this struct in the server's version.
     */
    uint32_t size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Starts a timer with a number of the plugin's choice; one that runs under that number is replaced.
     * `every_ms` 0 means once. At most 256 timers.
     */
    chat_status (*start)(const struct chat_host *host,
                         uint64_t timer,
                         uint64_t first_ms,
                         uint64_t every_ms,
                         chat_timer_fn function);
    /**
     * Stops it. CHAT_NOT_FOUND when none runs under that number.
     */
    chat_status (*stop)(const struct chat_host *host, uint64_t timer);
};

/**
 * It worked.
 */
#define CHAT_OK 0

/**
 * The call makes no sense here or now: from inside of a callback, before or after its time.
 */
#define CHAT_MISUSE 1

/**
 * A text is not UTF-8, or has a NUL in it.
 */
#define CHAT_BAD_UTF8 4

/**
 * A text, a value or a length is above its limit.
 */
#define CHAT_TOO_LONG 5

/**
 * Too much waits already. A program takes events and tries again, a plugin tries again later.
 */
#define CHAT_FULL 8

/**
 * There is nothing of that name or number.
 */
#define CHAT_NOT_FOUND 10

/**
 * The plugin does not have the capability for that.
 */
#define CHAT_DENIED 16

/**
 * The event was decided meanwhile: by the deadline, or by an earlier answer.
 */
#define CHAT_TOO_LATE 24

/**
 * The plugin was stopped or replaced; nothing that it does counts any more.
 */
#define CHAT_RETIRED 25

/**
 * Go on: the event stays as it is.
 */
#define CHAT_PASS 0

/**
 * Go on with the text of `set_text`. Without a `set_text` before it, it is a fault.
 */
#define CHAT_MODIFIED 1

/**
 * Refuse. The sender is shown the reason of `set_reason`; without one, a quiet "refused".
 */
#define CHAT_REJECT 3

/**
 * The command is done; nobody else is asked.
 */
#define CHAT_HANDLED 4

/**
 * The answer comes later, by `resolve` of the extension "chat.defer/1". The event lives until then.
 */
#define CHAT_DEFER 5

/**
 * What to answer when the hook could not do its work.
 */
#define CHAT_FAULT -1

/**
 * Somebody connects.
 */
#define CHAT_HOOK_CONNECT 1

/**
 * Somebody logs in, and has shown that it is who it says.
 */
#define CHAT_HOOK_LOGIN 2

/**
 * Something is about to be appended to a conversation, or shown as somebody's presence text.
 */
#define CHAT_HOOK_ENTRY 3

/**
 * A command of this plugin is called. Commands are made by the extension "chat.command/1".
 */
#define CHAT_HOOK_COMMAND 4

/**
 * Somebody wants to send a file; nothing of it is there yet.
 */
#define CHAT_HOOK_FILE_OFFER 5

/**
 * A file has arrived whole, and is not yet shown to anybody.
 */
#define CHAT_HOOK_FILE_COMPLETE 6

/**
 * An entry is on disk and has its place.
 */
#define CHAT_HOOK_ENTRY_POST 16

/**
 * Somebody came, went, or changed its presence.
 */
#define CHAT_HOOK_PRESENCE_POST 17

/**
 * A link is gone.
 */
#define CHAT_HOOK_DISCONNECT_POST 18

/**
 * A second has passed.
 */
#define CHAT_HOOK_TICK 19

/**
 * The operator changed the configuration; `config` answers the new one.
 */
#define CHAT_HOOK_RELOAD 20

/* Whether the server's `host` has a field: servers older than this header lack the last ones. */
#define CHAT_HAS(host, field) \
    ((size_t)(host)->size >= offsetof(chat_host, field) + sizeof((host)->field))

/* The same for the fields of an event. */
#define CHAT_PLUGIN_EVENT_HAS(event, field) \
    ((size_t)(event)->size >= offsetof(chat_plugin_event, field) + sizeof((event)->field))

#if defined(_WIN32)
#define CHAT_PLUGIN_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define CHAT_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define CHAT_PLUGIN_EXPORT
#endif

#if defined(__cplusplus)
#define CHAT_PLUGIN_LINKAGE extern "C"
#else
#define CHAT_PLUGIN_LINKAGE extern
#endif

/* Declares the plugin, once, at the end of its source; `destroy` may be NULL. */
#define CHAT_PLUGIN_DECLARE(id, name, version, license, capabilities, init, destroy) \
    CHAT_PLUGIN_DECLARE_STATEFUL(id, name, version, license, capabilities, init, destroy, NULL, NULL)

/* The same for one that hands its state over to the next version of itself. */
#define CHAT_PLUGIN_DECLARE_STATEFUL(id, name, version, license, capabilities, init, destroy, save, restore) \
    CHAT_PLUGIN_LINKAGE CHAT_PLUGIN_EXPORT const chat_plugin chat_plugin_v1; \
    const chat_plugin chat_plugin_v1 = {(uint32_t)sizeof(chat_plugin), CHAT_PLUGIN_ABI, id, name, version, \
                                        license, capabilities, 0, init, destroy, save, restore}

#endif  /* CHAT_PLUGIN_H */
