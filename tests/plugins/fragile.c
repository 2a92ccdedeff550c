/* Ends its process so many times (TIMES) over the text "fragile", and refuses it then. What it remembers of that is
 * in its folder, where a probe finds nothing and leaves nothing. */
#include <chat_plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[4096];

static long count(void)
{
    FILE *file = fopen(path, "r");
    long length = 0;
    if (file == NULL)
        return 0;
    fseek(file, 0, SEEK_END);
    length = ftell(file);
    fclose(file);
    return length;
}

static void mark(void)
{
    FILE *file = fopen(path, "a");
    if (file == NULL)
        abort();
    fputc('x', file);
    fclose(file);
}

static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    char reason[64];
    (void)self;
    if (event->text == NULL || strcmp(event->text, "fragile") != 0)
        return CHAT_PASS;
    mark();
    if (count() <= TIMES)
        _exit(3);
    snprintf(reason, sizeof reason, "asked %ld times", count());
    host->set_reason(host, event, reason);
    return CHAT_REJECT;
}

static chat_status init(const chat_host *host, void **self)
{
    (void)self;
    snprintf(path, sizeof path, "%s/marks", host->state_dir);
    if (host->probe) {
        if (count() > 0)
            return CHAT_MISUSE;
        mark();
    }
    return host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
}

CHAT_PLUGIN_DECLARE("org.example.fragile", "Fragile", "1.0", "MIT", CHAT_CAP_READ_TEXT | CHAT_CAP_REJECT, init, NULL);
