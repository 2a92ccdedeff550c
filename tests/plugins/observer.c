/* Writes "VERSION CONVERSATION PREV SEQ COUNT TEXT" for each text into the file `path`, where COUNT is how many it has
 * seen over all versions, which each hands over to the next. With MARKS, "again" or "first" stands for COUNT. */
#include <chat_plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef VERSION
#define VERSION "1"
#endif

struct self {
    FILE *file;
    uint64_t seen;
};

static chat_verdict seen(void *instance, const chat_host *host, const chat_plugin_event *event)
{
    struct self *self = instance;
    (void)host;
    self->seen++;
#if defined(MARKS)
    fprintf(self->file, "%s %s %llu %llu %s %s\n", VERSION, event->conversation, (unsigned long long)event->prev,
            (unsigned long long)event->seq, event->flags & CHAT_FLAG_AGAIN ? "again" : "first",
            event->text ? event->text : "-");
#else
    fprintf(self->file, "%s %s %llu %llu %llu %s\n", VERSION, event->conversation, (unsigned long long)event->prev,
            (unsigned long long)event->seq, (unsigned long long)self->seen, event->text ? event->text : "-");
#endif
    fflush(self->file);
#if defined(DEFERS)
    return CHAT_DEFER;
#else
    return CHAT_PASS;
#endif
}

static chat_status init(const chat_host *host, void **instance)
{
    const char *path = host->config(host, "path");
    if (path == NULL)
        return CHAT_MISUSE;
    struct self *self = calloc(1, sizeof *self);
    if (self == NULL)
        return CHAT_FULL;
    self->file = fopen(host->probe ? "/dev/null" : path, "a");
    if (self->file == NULL)
        return CHAT_MISUSE;
    *instance = self;
    return host->hook(host, CHAT_HOOK_ENTRY_POST, 0, seen);
}

static void destroy(void *instance, const chat_host *host)
{
    struct self *self = instance;
    (void)host;
    fclose(self->file);
    free(self);
}

static chat_status save(void *instance, const chat_host *host)
{
    struct self *self = instance;
    return host->keep(host, &self->seen, sizeof self->seen);
}

static chat_status restore(void *instance, const chat_host *host, const void *data, uint64_t len)
{
    struct self *self = instance;
    (void)host;
#if defined(REFUSE_STATE)
    (void)data;
    (void)len;
    (void)self;
    return CHAT_MISUSE;
#else
    if (len != sizeof self->seen)
        return CHAT_MISUSE;
    memcpy(&self->seen, data, sizeof self->seen);
    return CHAT_OK;
#endif
}

CHAT_PLUGIN_DECLARE_STATEFUL("org.example.observer", "Observer", VERSION, "MIT", CHAT_CAP_READ_TEXT, init, destroy, save,
                             restore);
