/* Says what it is told to say, and as much as it can. */
#include <chat_plugin.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const chat_ext_metrics *metrics;
static const chat_ext_notice *notices;

static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    if (event->kind != CHAT_KIND_TEXT || event->text == NULL)
        return CHAT_PASS;
    if (strncmp(event->text, "say ", 4) == 0)
        metrics->set(host, "said", host->send(host, event->room, NULL, event->text + 4));
    if (strcmp(event->text, "say it all") == 0 || strcmp(event->text, "tell as much") == 0) {
        /* A server that stands still takes none of it meanwhile. */
        pid_t server = getppid();
        int64_t taken = 0;
        chat_status status;
        kill(server, SIGSTOP);
        do
            status = event->text[0] == 's' ? host->send(host, event->room, NULL, "all")
                                           : notices->reply(host, event, "all");
        while (status == CHAT_OK && ++taken < 100000);
        kill(server, SIGCONT);
        metrics->set(host, "taken", taken);
        metrics->set(host, "end", status);
    }
    if (strcmp(event->text, "forget it") == 0)
        metrics->set(host, "end", 0);
    if (strcmp(event->text, "tell it all") == 0)
        for (int i = 0; i < 20000; i++)
            notices->reply(host, event, "all");
    if (strcmp(event->text, "say it again") == 0)
        for (int i = 0; i < 20000; i++)
            host->send(host, event->room, NULL, "again");
    if (strcmp(event->text, "say it nowhere") == 0) {
        chat_status status = CHAT_OK;
        for (int i = 0; i < 1000; i++)
            status = host->send(host, "no such name!, /", NULL, "lost");
        metrics->set(host, "nowhere", status);
        metrics->set(host, "nobody", host->send(host, NULL, "no such name!, /", "lost"));
        metrics->set(host, "both", host->send(host, event->room, event->from, "lost"));
        metrics->set(host, "nothing", host->send(host, event->room, NULL, ""));
        metrics->set(host, "no_text", host->send(host, event->room, NULL, "\xff"));
    }
    return CHAT_PASS;
}

static chat_status init(const chat_host *host, void **self)
{
    (void)self;
    metrics = host->extension(host, "chat.metrics/1");
    notices = host->extension(host, "chat.notice/1");
    return host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
}

CHAT_PLUGIN_DECLARE("org.example.talker", "Talker", "1.0", "MIT", CHAT_CAP_READ_TEXT | CHAT_CAP_SEND | CHAT_CAP_NOTICE, init,
                    NULL);
