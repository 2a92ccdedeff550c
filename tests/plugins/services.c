/* Uses what the server does for plugins, from hooks and from a thread of its own. */
#include <chat_plugin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct later {
    const chat_host *host;
    const chat_plugin_event *event;
};

/* A thread of the plugin: sends, and answers what was deferred. */
static void *work(void *argument)
{
    struct later *later = argument;
    const chat_host *host = later->host;
    const chat_ext_defer *defer = host->extension(host, "chat.defer/1");
    host->send(host, "lobby", NULL, "sent by a thread");
    host->set_text(host, later->event, "answered by a thread", strlen("answered by a thread"));
    if (defer->resolve(host, later->event, CHAT_MODIFIED) != CHAT_OK)
        host->log(host, CHAT_LOG_ERROR, "the first answer was refused");
    if (defer->resolve(host, later->event, CHAT_PASS) != CHAT_TOO_LATE)
        host->log(host, CHAT_LOG_ERROR, "a second answer was taken");
    free(later);
    return NULL;
}

static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    if (event->text == NULL || event->kind != CHAT_KIND_TEXT)
        return CHAT_PASS;
    if (strcmp(event->from, "plugin.services") == 0)
        host->log(host, CHAT_LOG_ERROR, "a plugin was asked about its own entry");
    if (strcmp(event->text, "answer") == 0)
        host->send(host, event->room, NULL, "answer");
    if (strcmp(event->text, "later") == 0) {
        struct later *later = malloc(sizeof *later);
        pthread_t thread;
        later->host = host;
        later->event = event;
        if (pthread_create(&thread, NULL, work, later) != 0)
            return CHAT_FAULT;
        pthread_detach(thread);
        return CHAT_DEFER;
    }
    if (strcmp(event->text, "never") == 0)
        return CHAT_DEFER;
    return CHAT_PASS;
}

static chat_verdict seen(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    if (strcmp(event->from, "plugin.services") == 0)
        host->log(host, CHAT_LOG_ERROR, "a plugin was shown its own entry");
    return CHAT_PASS;
}

static chat_verdict command(void *self, const chat_host *host, const chat_plugin_event *event)
{
    const chat_ext_kv *kv = host->extension(host, "chat.kv/1");
    const chat_ext_notice *notice = host->extension(host, "chat.notice/1");
    uint64_t len = 0;
    char count = 'a';
    char text[64];
    (void)self;
    if (kv->get(host, "count", &count, 1, &len) == CHAT_OK)
        count++;
    kv->put(host, "count", &count, 1);
    snprintf(text, sizeof text, "call %c with %s", count, event->args);
    notice->reply(host, event, text);
    return CHAT_HANDLED;
}

static void ring(void *self, const chat_host *host, uint64_t timer)
{
    const chat_ext_metrics *metrics = host->extension(host, "chat.metrics/1");
    (void)self;
    metrics->add(host, "rings", timer);
    host->log(host, CHAT_LOG_INFO, "the timer rang");
}

static chat_status init(const chat_host *host, void **self)
{
    const chat_ext_command *commands = host->extension(host, "chat.command/1");
    const chat_ext_timer *timers = host->extension(host, "chat.timer/1");
    (void)self;
    if (host->extension(host, "chat.telepathy/1") != NULL)
        return CHAT_MISUSE;
    timers->start(host, 1, 10, 0, ring);
    host->hook(host, CHAT_HOOK_ENTRY, 5, entry);
    host->hook(host, CHAT_HOOK_ENTRY_POST, 0, seen);
    return commands->add(host, "count", "WORD", "counts its calls", command);
}

CHAT_PLUGIN_DECLARE("org.example.services", "Services", "1.0", "MIT",
                    CHAT_CAP_READ_TEXT | CHAT_CAP_MODIFY | CHAT_CAP_SEND | CHAT_CAP_COMMAND | CHAT_CAP_NOTICE, init, NULL);
