/* A plugin that does WHAT at WHERE, both given with -D. In a hook it does it to the text "misbehave". */
#include <chat_plugin.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef ID
#define ID "org.example.hostile"
#endif
#ifndef VERSION
#define VERSION "1.0"
#endif
#ifndef ABI
#define ABI CHAT_PLUGIN_ABI
#endif

__attribute__((unused)) static void misbehave(void)
{
#if defined(CRASH)
    *(volatile int *)8 = 1;
#elif defined(EXIT)
    exit(0);
#elif defined(HANG)
    for (;;)
        pause();
#elif defined(USE_FREED)
    char *volatile block = malloc(64);
    char *volatile same = block;
    free(block);
    memset(same, 'x', 64);
    free(same);
    abort();
#elif defined(SLOW)
    usleep(120000);
#endif
}

#if defined(IN_CONSTRUCTOR)
__attribute__((constructor)) static void early(void)
{
    misbehave();
}
#endif

static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    if (event->text == NULL)
        return CHAT_PASS;
    if (strcmp(event->text, "spam") == 0) {
        host->set_reason(host, event, "no spam here");
        return CHAT_REJECT;
    }
    if (strcmp(event->text, "who saved") == 0) {
        const chat_ext_kv *kv = host->extension(host, "chat.kv/1");
        char name[64] = "";
        uint64_t len = 0;
        kv->get(host, "saved by", name, sizeof name - 1, &len);
        host->set_reason(host, event, name);
        return CHAT_REJECT;
    }
    if (strcmp(event->text, "misbehave") != 0)
        return CHAT_PASS;
#if defined(IN_HOOK)
    misbehave();
#endif
#if defined(VERDICT)
    return VERDICT;
#else
    return CHAT_PASS;
#endif
}

static chat_status init(const chat_host *host, void **self)
{
    (void)self;
#if defined(IN_INIT)
    misbehave();
#endif
#if defined(REFUSE)
    host->log(host, CHAT_LOG_ERROR, "the key `colour` is missing");
    return CHAT_MISUSE;
#endif
    return host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
}

static void destroy(void *self, const chat_host *host)
{
    (void)self;
    (void)host;
#if defined(IN_DESTROY)
    misbehave();
#endif
}

__attribute__((unused)) static chat_status save(void *self, const chat_host *host)
{
    (void)self;
    const chat_ext_kv *kv = host->extension(host, "chat.kv/1");
    kv->put(host, "saved by", VERSION, strlen(VERSION));
#if defined(IN_SAVE)
    misbehave();
#endif
    return host->keep(host, "state", 5);
}

__attribute__((unused)) static chat_status restore(void *self, const chat_host *host, const void *data, uint64_t len)
{
    (void)self;
    (void)host;
#if defined(IN_RESTORE)
    misbehave();
#endif
    return len == 5 && memcmp(data, "state", 5) == 0 ? CHAT_OK : CHAT_MISUSE;
}

#if defined(STATEFUL)
#define SAVE save
#define RESTORE restore
#else
#define SAVE NULL
#define RESTORE NULL
#endif

#if defined(NO_SYMBOL)
const void *used[] = {(const void *)init, (const void *)destroy};
#elif defined(TAIL)
/* What a later header could look like: one more field. */
struct longer {
    chat_plugin known;
    uint64_t more;
};
extern CHAT_PLUGIN_EXPORT const struct longer chat_plugin_v1;
const struct longer chat_plugin_v1 = {
    {sizeof(struct longer), ABI, ID, "Hostile", VERSION, "MIT", ~(uint64_t)0, 0, init, destroy, SAVE, RESTORE}, TAIL};
#else
extern CHAT_PLUGIN_EXPORT const chat_plugin chat_plugin_v1;
const chat_plugin chat_plugin_v1 = {
    sizeof(chat_plugin), ABI, ID, "Hostile", VERSION, "MIT", ~(uint64_t)0, 0, init, destroy, SAVE, RESTORE};
#endif
