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
