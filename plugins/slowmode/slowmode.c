/*
 * Slow mode: one message of an account in a room, then a pause.
 *
 *     [plugin.slowmode]
 *     seconds = 10                  # the pause, 1 to 86400
 *     rooms   = ["lobby", "help"]   # where; everywhere when it is not there
 *     exempt  = ["ann"]             # accounts without a pause
 *
 * Texts, files, edits and topics count, as everybody is shown them; reactions, deletions and memberships
 * don't. Who is too fast is told how long to wait, and the try does not start the pause anew. Bots are let
 * through. Direct conversations are not touched. The pauses that run go over to a new version of the
 * plugin; a restart of the server forgets them.
 */

#include <chat_plugin.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Who sent where, and when. The table never grows: where four share a bucket and a fifth comes, the one
 * that was silent for the longest is forgotten, which costs nothing but its pause.
 */
#define BUCKETS 1024u
#define PER_BUCKET 4u

#define MAX_NAMES 256u
#define MAX_NAME_BYTES 128u
#define MAX_SECONDS 86400ul

/* Under ENTRY, before filters that read: what comes too early need not be read. */
#define PRIORITY 500

typedef struct {
    uint64_t account; /* 0: free */
    uint64_t room;
    uint64_t time_ms;
} last_message;

typedef struct {
    uint64_t pause_ms;
    char *rooms;  /* one a line, as the operator wrote it; NULL: all */
    char *exempt; /* the same */
    last_message last[BUCKETS][PER_BUCKET];
} slow_mode;

/* What one version hands to the next begins with this. */
static const char STATE[8] = {'s', 'l', 'o', 'w', 'm', 'd', '0', '1'};

static void complain(const chat_host *host, const char *what, const char *about)
{
    char line[256];
    snprintf(line, sizeof line, what, about);
    host->log(host, CHAT_LOG_ERROR, line);
}

/* ---- configuration ---- */

/* Copies a list of names. 0 when there is a mistake in it. */
static int read_names(const chat_host *host, const char *key, char **names)
{
    const char *text = host->config(host, key), *line;
    size_t count = 0, len;

    *names = NULL;
    if (text == NULL)
        return 1;
    for (line = text; *line != '\0'; line += len + (line[len] == '\n')) {
        len = strcspn(line, "\n");
        if (len == 0 || len > MAX_NAME_BYTES || ++count > MAX_NAMES) {
            complain(host, "%s: a list of at most 256 names of at most 128 bytes", key);
            return 0;
        }
    }
    *names = malloc(strlen(text) + 1);
    if (*names == NULL)
        return 0;
    memcpy(*names, text, strlen(text) + 1);
    return 1;
}

static int is_listed(const char *names, const char *name)
{
    size_t wanted = strlen(name), len;

    for (; *names != '\0'; names += len + (names[len] == '\n')) {
        len = strcspn(names, "\n");
        if (len == wanted && memcmp(names, name, len) == 0)
            return 1;
    }
    return 0;
}

/* Reads the configuration into `mode`, or leaves it as it is. */
static int configure(slow_mode *mode, const chat_host *host)
{
    const char *text = host->config(host, "seconds");
    unsigned long seconds = 10;
    char *rooms, *exempt;

    if (text != NULL) {
        char *end;
        errno = 0;
        seconds = strtoul(text, &end, 10);
        if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || seconds < 1 || seconds > MAX_SECONDS) {
            complain(host, "seconds = %.50s: it is a whole number from 1 to 86400", text);
            return 0;
        }
    }
    if (!read_names(host, "rooms", &rooms))
        return 0;
    if (!read_names(host, "exempt", &exempt)) {
        free(rooms);
        return 0;
    }
    free(mode->rooms);
    free(mode->exempt);
    mode->rooms = rooms;
    mode->exempt = exempt;
    mode->pause_ms = seconds * 1000u;
    return 1;
}

/* ---- the table ---- */

/* A conversation's id has 32 hex digits, chosen at random: half as many bits are enough to tell rooms apart. */
static uint64_t number_of(const char *hex)
{
    uint64_t number = 0;
    int i;

    for (i = 0; i < 32 && hex[i] != '\0'; i++) {
        char digit = hex[i];
        number = (number << 4 | number >> 60) ^ (uint64_t)(digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
    }
    return number;
}

/* The place of an account in a room; the oldest of its bucket when it has none yet. */
static last_message *place_of(slow_mode *mode, uint64_t account, uint64_t room)
{
    uint64_t mixed = (account ^ room) * 0x9e3779b97f4a7c15u;
    last_message *bucket = mode->last[mixed >> 54], *oldest = bucket;
    size_t i;

    for (i = 0; i < PER_BUCKET; i++) {
        if (bucket[i].account == account && bucket[i].room == room)
            return &bucket[i];
        if (bucket[i].time_ms < oldest->time_ms)
            oldest = &bucket[i];
    }
    oldest->account = account;
    oldest->room = room;
    oldest->time_ms = 0;
    return oldest;
}

/* ---- the hooks ---- */

static int counts(uint32_t kind)
{
    return kind == CHAT_KIND_TEXT || kind == CHAT_KIND_FILE || kind == CHAT_KIND_EDIT || kind == CHAT_KIND_TOPIC;
}

static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    slow_mode *mode = self;
    last_message *last;
    char reason[64];
    uint64_t passed, wait;

    if (!counts(event->kind) || (event->flags & CHAT_FLAG_BOT) != 0 || event->room == NULL ||
        event->conversation == NULL || event->from == NULL)
        return CHAT_PASS;
    if ((mode->rooms != NULL && !is_listed(mode->rooms, event->room)) ||
        (mode->exempt != NULL && is_listed(mode->exempt, event->from)))
        return CHAT_PASS;
    last = place_of(mode, event->account, number_of(event->conversation));
    /* A clock that was set back must lock nobody out. */
    passed = event->time_ms < last->time_ms ? mode->pause_ms : event->time_ms - last->time_ms;
    if (passed >= mode->pause_ms) {
        last->time_ms = event->time_ms;
        return CHAT_PASS;
    }
    wait = (mode->pause_ms - passed + 999) / 1000;
    snprintf(reason, sizeof reason, "slow mode: wait %lu s", (unsigned long)wait);
    host->set_reason(host, event, reason);
    return CHAT_REJECT;
}

static chat_verdict reload(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)event;
    if (!configure(self, host))
        host->log(host, CHAT_LOG_WARN, "the old settings stay");
    return CHAT_PASS;
}

static chat_status save(void *self, const chat_host *host)
{
    slow_mode *mode = self;
    char *data = malloc(sizeof STATE + sizeof mode->last);
    chat_status status;

    if (data == NULL)
        return CHAT_FULL;
    memcpy(data, STATE, sizeof STATE);
    memcpy(data + sizeof STATE, mode->last, sizeof mode->last);
    status = host->keep(host, data, sizeof STATE + sizeof mode->last);
    free(data);
    return status;
}

static chat_status restore(void *self, const chat_host *host, const void *data, uint64_t len)
{
    slow_mode *mode = self;

    /* Another version's state is no reason to stay with that version: only pauses are lost. */
    if (len != sizeof STATE + sizeof mode->last || memcmp(data, STATE, sizeof STATE) != 0) {
        host->log(host, CHAT_LOG_WARN, "the version before kept its pauses in another form: they begin anew");
        return CHAT_OK;
    }
    memcpy(mode->last, (const char *)data + sizeof STATE, sizeof mode->last);
    return CHAT_OK;
}

static void destroy(void *self, const chat_host *host)
{
    slow_mode *mode = self;

    (void)host;
    if (mode != NULL) {
        free(mode->rooms);
        free(mode->exempt);
    }
    free(mode);
}

static chat_status init(const chat_host *host, void **self)
{
    slow_mode *mode = calloc(1, sizeof *mode);
    chat_status status;

    if (mode == NULL || !configure(mode, host)) {
        free(mode);
        return CHAT_MISUSE;
    }
    status = host->hook(host, CHAT_HOOK_ENTRY, PRIORITY, entry);
    if (status == CHAT_OK)
        status = host->hook(host, CHAT_HOOK_RELOAD, 0, reload);
    if (status != CHAT_OK) {
        destroy(mode, host);
        return status;
    }
    *self = mode;
    return CHAT_OK;
}

CHAT_PLUGIN_DECLARE_STATEFUL("org.libchat.slowmode", "Slow mode", "1.0", "MIT OR Apache-2.0", CHAT_CAP_REJECT, init,
                             destroy, save, restore);
