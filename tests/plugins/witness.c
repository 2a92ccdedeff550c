/* Takes part in every hook, and writes down what it is shown: a line each, in the file `path`, with every field that is
 * not 0 or NULL. */
#include <chat_plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ID
#define ID "org.example.witness"
#endif

static const char *const names[] = {
    [CHAT_HOOK_CONNECT] = "connect",
    [CHAT_HOOK_LOGIN] = "login",
    [CHAT_HOOK_ENTRY] = "entry",
    [CHAT_HOOK_COMMAND] = "command",
    [CHAT_HOOK_FILE_OFFER] = "file_offer",
    [CHAT_HOOK_FILE_COMPLETE] = "file_complete",
    [CHAT_HOOK_ENTRY_POST] = "entry_post",
    [CHAT_HOOK_PRESENCE_POST] = "presence_post",
    [CHAT_HOOK_DISCONNECT_POST] = "disconnect_post",
    [CHAT_HOOK_TICK] = "tick",
    [CHAT_HOOK_RELOAD] = "reload",
};

static void number(FILE *file, const char *name, uint64_t value)
{
    if (value != 0)
        fprintf(file, "\t%s=%llu", name, (unsigned long long)value);
}

static void text(FILE *file, const char *name, const char *value)
{
    if (value != NULL)
        fprintf(file, "\t%s=%s", name, value);
}

static chat_verdict see(void *self, const chat_host *host, const chat_plugin_event *event)
{
    FILE *file = self;
    (void)host;
    fprintf(file, "%s", names[event->hook]);
    number(file, "kind", event->kind);
    number(file, "flags", event->flags);
    number(file, "time_ms", event->time_ms);
    number(file, "seq", event->seq);
    number(file, "prev", event->prev);
    number(file, "target", event->target);
    number(file, "account", event->account);
    number(file, "bytes", event->bytes);
    number(file, "dropped", event->dropped);
    text(file, "conversation", event->conversation);
    text(file, "room", event->room);
    text(file, "from", event->from);
    text(file, "to", event->to);
    text(file, "id", event->id);
    text(file, "text", event->text);
    text(file, "name", event->name);
    text(file, "args", event->args);
    text(file, "address", event->address);
    text(file, "media_type", event->media_type);
    text(file, "reason", event->reason);
    fprintf(file, "\n");
    fflush(file);
    if (event->size < sizeof *event || (event->text != NULL && strlen(event->text) != event->text_len))
        return CHAT_FAULT;
    return event->hook == CHAT_HOOK_COMMAND ? CHAT_HANDLED : CHAT_PASS;
}

static chat_status init(const chat_host *host, void **self)
{
    static const chat_hook hooks[] = {
        CHAT_HOOK_CONNECT,       CHAT_HOOK_LOGIN,         CHAT_HOOK_ENTRY,      CHAT_HOOK_FILE_OFFER,
        CHAT_HOOK_FILE_COMPLETE, CHAT_HOOK_ENTRY_POST,    CHAT_HOOK_PRESENCE_POST, CHAT_HOOK_DISCONNECT_POST,
        CHAT_HOOK_TICK,          CHAT_HOOK_RELOAD,
    };
    const chat_ext_command *commands = host->extension(host, "chat.command/1");
    const char *path = host->config(host, "path");
    if (path == NULL)
        return CHAT_MISUSE;
    *self = fopen(host->probe ? "/dev/null" : path, "a");
    if (*self == NULL)
        return CHAT_MISUSE;
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++)
        if (host->hook(host, hooks[i], 0, see) != CHAT_OK)
            return CHAT_MISUSE;
    /* Commands have names, a hook is taken once, and a later one is none of this server's. */
    if (host->hook(host, CHAT_HOOK_COMMAND, 0, see) != CHAT_MISUSE ||
        host->hook(host, CHAT_HOOK_ENTRY, 0, see) != CHAT_MISUSE || host->hook(host, 4711, 0, see) != CHAT_NOT_FOUND)
        return CHAT_FAULT;
    chat_status status = commands->add(host, "look", "WHERE", "looks there", see);
    /* The operator may have taken that away. */
    return status == CHAT_DENIED ? CHAT_OK : status;
}

static void destroy(void *self, const chat_host *host)
{
    (void)host;
    fclose(self);
}

CHAT_PLUGIN_DECLARE(ID, "Witness", "1.0", "MIT", ~(uint64_t)0, init, destroy);
