#include <chat_plugin.h>
#include <string.h>

static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    if (event->text == NULL || strstr(event->text, "spam") == NULL)
        return CHAT_PASS;
    host->set_reason(host, event, "no spam here");
    return CHAT_REJECT;
}

static chat_status init(const chat_host *host, void **self)
{
    (void)self;
    return host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
}

CHAT_PLUGIN_DECLARE("org.example.NAME", "NAME", "1.0", "MIT",
                    CHAT_CAP_READ_TEXT | CHAT_CAP_REJECT, init, NULL);
