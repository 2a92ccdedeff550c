/* Defers the text "hold", and answers it when it is told to: by the text "release", or by a file of the name `go`, for
 * which a thread waits. */
#include <chat_plugin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "1"
#endif

static const chat_host *ours;
static const chat_plugin_event *held;

static chat_status answer(void)
{
    static const char text[] = "released by " VERSION;
    const chat_ext_defer *defer = ours->extension(ours, "chat.defer/1");
    ours->set_text(ours, held, text, sizeof text - 1);
    return defer->resolve(ours, held, CHAT_MODIFIED);
}

static void *wait_for_word(void *go)
{
    while (access(go, F_OK) != 0)
        usleep(5000);
    if (answer() != CHAT_OK)
        ours->log(ours, CHAT_LOG_ERROR, "the answer came too late");
    /* It was replaced meanwhile: nothing more that it does counts. */
    while (ours->log(ours, CHAT_LOG_DEBUG, "still here") != CHAT_RETIRED)
        usleep(20000);
    if (ours->send(ours, "lobby", NULL, "from the grave") == CHAT_RETIRED)
        remove(go);
    return NULL;
}

static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    const chat_ext_metrics *metrics = host->extension(host, "chat.metrics/1");
    char *go = self;
    pthread_t thread;
    if (event->kind != CHAT_KIND_TEXT || event->text == NULL)
        return CHAT_PASS;
    if (strcmp(event->text, "version") == 0) {
        host->set_reason(host, event, VERSION);
        return CHAT_REJECT;
    }
    if (strcmp(event->text, "hold") == 0) {
        held = event;
        if (go != NULL && (pthread_create(&thread, NULL, wait_for_word, go) != 0 || pthread_detach(thread) != 0))
            return CHAT_FAULT;
        return CHAT_DEFER;
    }
    if (strcmp(event->text, "release") == 0) {
        /* Whatever the deadline said: the event is the plugin's until it has answered. */
        metrics->set(host, "there", strcmp(held->text, "hold") == 0);
        metrics->set(host, "first", answer());
        metrics->set(host, "second", answer());
    }
    return CHAT_PASS;
}

static chat_status init(const chat_host *host, void **self)
{
    const char *go = host->config(host, "go");
    ours = host;
    if (go != NULL && (*self = strdup(go)) == NULL)
        return CHAT_FULL;
    return host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
}

CHAT_PLUGIN_DECLARE("org.example.late", "Late", VERSION, "MIT",
                    CHAT_CAP_READ_TEXT | CHAT_CAP_MODIFY | CHAT_CAP_REJECT | CHAT_CAP_SEND, init, NULL);
