/*
 * A host that fits on a page, to try a plugin without a server: it is linked with one plugin and reads a
 * script. `make check` runs the scripts of this folder under sanitizers.
 *
 *     config KEY VALUE      before init; \n in it is a new line
 *     init                  must work; "init fails TEXT": must fail, and log TEXT
 *     now MILLISECONDS      the time of what follows
 *     KIND FROM ROOM TEXT   an entry: text, edit, topic, reaction, file, presence, or "bot" for a bot's text
 *     command FROM ROOM NAME ARGS
 *     = VERDICT TEXT        what the last one came to, with the new text, the reason or the answer; a *
 *                           at the end stands for anything
 *     reload, swap          the hook; a new instance with the state of the old one
 *     fuzz COUNT            so many texts that nobody would write, to every hook and command
 */

#include <chat_plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const chat_plugin chat_plugin_v1;

#define MAX 32
#define TEXT 20000

static struct { char key[64], value[1024]; } config[MAX];
static size_t configs;
static struct { char name[33], usage[128], help[256]; chat_hook_fn function; } commands[MAX];
static size_t command_count;
static chat_hook_fn hooks[32];
static char said[TEXT], changed[TEXT], logged[1024];
static uint64_t changed_len;
static int is_changed;
static char *kept;
static uint64_t kept_len;
static void *self;
static uint64_t now = 1000000;

static chat_status host_log(const chat_host *host, int32_t level, const char *text)
{
    (void)host, (void)level;
    snprintf(logged, sizeof logged, "%s", text);
    return CHAT_OK;
}

static const char *host_config(const chat_host *host, const char *key)
{
    size_t i;
    (void)host;
    for (i = 0; i < configs; i++)
        if (strcmp(config[i].key, key) == 0)
            return config[i].value;
    return NULL;
}

static chat_status host_hook(const chat_host *host, chat_hook hook, int32_t priority, chat_hook_fn function)
{
    (void)host, (void)priority;
    if (hook >= 32)
        return CHAT_MISUSE;
    hooks[hook] = function;
    return CHAT_OK;
}

static chat_status host_set_text(const chat_host *host, const chat_plugin_event *event, const char *text, uint64_t len)
{
    (void)host, (void)event;
    if (len >= TEXT)
        return CHAT_TOO_LONG;
    memcpy(changed, text, len);
    changed[len] = '\0';
    changed_len = len;
    is_changed = 1;
    return CHAT_OK;
}

static chat_status say(const char *text)
{
    snprintf(said, sizeof said, "%s", text);
    return CHAT_OK;
}

static chat_status host_set_reason(const chat_host *host, const chat_plugin_event *event, const char *reason)
{
    (void)host, (void)event;
    return strlen(reason) > 200 ? CHAT_TOO_LONG : say(reason);
}

static chat_status host_send(const chat_host *host, const char *room, const char *to, const char *text)
{
    (void)host, (void)room, (void)to;
    return say(text);
}

static chat_status host_keep(const chat_host *host, const void *data, uint64_t len)
{
    (void)host;
    free(kept);
    kept = malloc(len + 1);
    memcpy(kept, data, len);
    kept_len = len;
    return CHAT_OK;
}

static chat_status command_add(const chat_host *host, const char *name, const char *usage, const char *help,
                               chat_hook_fn function)
{
    (void)host;
    if (command_count == MAX || strlen(name) > 32)
        return CHAT_MISUSE;
    snprintf(commands[command_count].name, sizeof commands[0].name, "%s", name);
    snprintf(commands[command_count].usage, sizeof commands[0].usage, "%s", usage);
    snprintf(commands[command_count].help, sizeof commands[0].help, "%s", help);
    commands[command_count++].function = function;
    return CHAT_OK;
}

static chat_status command_list(const chat_host *host, void *data, uint64_t capacity, uint64_t *len)
{
    char list[8192] = "";
    size_t i, used = 0;
    (void)host;
    for (i = 0; i < command_count; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s\t%s%s%s", i > 0 ? "\n" : "", commands[i].name,
                                 commands[i].usage, commands[i].usage[0] != '\0' ? ": " : "", commands[i].help);
    memcpy(data, list, used < capacity ? used : (size_t)capacity);
    *len = used;
    return CHAT_OK;
}

static chat_status notice_tell(const chat_host *host, const char *account, const char *room, const char *text)
{
    (void)host, (void)account, (void)room;
    return say(text);
}

static chat_status notice_reply(const chat_host *host, const chat_plugin_event *event, const char *text)
{
    (void)host, (void)event;
    return say(text);
}

static const void *host_extension(const chat_host *host, const char *id)
{
    static const chat_ext_command command = {sizeof command, 0, command_add, command_list};
    static const chat_ext_notice notice = {sizeof notice, 0, notice_tell, notice_reply};
    (void)host;
    return strcmp(id, "chat.command/1") == 0  ? (const void *)&command
           : strcmp(id, "chat.notice/1") == 0 ? (const void *)&notice
                                              : NULL;
}

static const chat_host HOST = {sizeof HOST, CHAT_PLUGIN_ABI, NULL, "check", "checked", "/nowhere", 0, 0, host_log,
                               host_config, host_hook, host_set_text, host_set_reason, host_send, host_keep,
                               host_extension};

static uint32_t kind_of(const char *word)
{
    static const struct { const char *word; uint32_t kind; } kinds[] = {
        {"text", CHAT_KIND_TEXT},         {"bot", CHAT_KIND_TEXT},   {"edit", CHAT_KIND_EDIT},
        {"topic", CHAT_KIND_TOPIC},       {"file", CHAT_KIND_FILE},  {"reaction", CHAT_KIND_REACTION},
        {"presence", CHAT_KIND_PRESENCE},
    };
    size_t i;
    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].word, word) == 0)
            return kinds[i].kind;
    return 0;
}

static chat_verdict call(chat_hook hook, uint32_t kind, const char *from, const char *room, const char *name,
                         const char *text, size_t len)
{
    chat_plugin_event event;
    chat_hook_fn function = hook == CHAT_HOOK_COMMAND ? NULL : hooks[hook];
    char *copy, conversation[33];
    chat_verdict verdict;
    size_t i;

    for (i = 0; hook == CHAT_HOOK_COMMAND && i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            function = commands[i].function;
    if (function == NULL)
        return CHAT_PASS;
    /* A copy of just this size, so that a sanitizer sees who reads past its end. */
    copy = malloc(len + 1);
    memcpy(copy, text, len);
    copy[len] = '\0';
    snprintf(conversation, sizeof conversation, "%032lx", (unsigned long)(strlen(room) * 7919 + (unsigned char)room[0]));
    memset(&event, 0, sizeof event);
    event.size = sizeof event;
    event.hook = hook;
    event.kind = kind;
    event.time_ms = now;
    event.from = from;
    for (i = 0; from[i] != '\0'; i++)
        event.account = event.account * 31 + (unsigned char)from[i];
    event.room = strcmp(room, "-") == 0 ? NULL : room;
    event.conversation = conversation;
    if (hook == CHAT_HOOK_COMMAND) {
        event.name = name;
        event.args = copy;
    } else {
        event.text = copy;
        event.text_len = len;
    }
    is_changed = 0;
    said[0] = '\0';
    verdict = function(self, &HOST, &event);
    if (is_changed)
        snprintf(said, sizeof said, "%s", changed);
    free(copy);
    return verdict;
}

static void fuzz(unsigned long count)
{
    static const char *const pieces[] = {
        "darn", "DARN", " ", "d", "6", "-", "+", "99999999999", "\xc3\xa9", "\xd0\x94", "\xe2\x80\x8b", "\xf0\x9f\x98\x80",
        "\xff", "\xc3", "\xf4\xbf", "\n", "\t", "/help", "2d6", "\xef\xbc\xa4", "\x01", "h", ".", "e", "\xed\xa0\x80",
    };
    static char text[TEXT];
    uint64_t seed = 88172645463325252u;
    unsigned long turn;
    size_t i;

    for (turn = 0; turn < count; turn++) {
        size_t len = 0, most;
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        most = turn % 100 == 0 ? 16384 : seed % 60;
        while (len < most) {
            const char *piece;
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            piece = pieces[seed % (sizeof pieces / sizeof pieces[0])];
            if (len + strlen(piece) > most)
                break;
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        now += seed % 3000;
        call(CHAT_HOOK_ENTRY, seed >> 8 & 7, seed & 1 ? "ann" : "bob", seed & 2 ? "lobby" : "hall", "", text, len);
        if (is_changed && changed_len > len) {
            printf("a text became longer: %s\n", text);
            exit(1);
        }
        for (i = 0; i < command_count; i++)
            call(CHAT_HOOK_COMMAND, 0, "ann", "lobby", commands[i].name, text, len);
    }
}

static void unescape(char *text)
{
    char *to = text;
    for (; *text != '\0'; text++, to++) {
        *to = *text;
        if (text[0] == '\\' && text[1] == 'n')
            *to = '\n', text++;
    }
    *to = '\0';
}

static int is_like(const char *there, const char *wanted)
{
    size_t len = strlen(wanted);
    if (len > 0 && wanted[len - 1] == '*')
        return strncmp(there, wanted, len - 1) == 0;
    return strcmp(there, wanted) == 0;
}

static char *word(char **rest)
{
    char *from = *rest;
    size_t len = strcspn(from, " ");
    *rest = from + len + (from[len] == ' ');
    from[len] = '\0';
    return from;
}

static chat_status start(void)
{
    memset(hooks, 0, sizeof hooks);
    command_count = 0;
    return chat_plugin_v1.init(&HOST, &self);
}

static void stop(void *instance)
{
    if (chat_plugin_v1.destroy != NULL)
        chat_plugin_v1.destroy(instance, &HOST);
}

int main(int argc, char **argv)
{
    FILE *script = argc == 2 ? fopen(argv[1], "r") : NULL;
    char line[2048];
    chat_verdict verdict = 0;
    unsigned number = 0;
    int is_good = 1, is_started = 0;

    if (script == NULL) {
        fprintf(stderr, "usage: check SCRIPT\n");
        return 2;
    }
    while (is_good && fgets(line, sizeof line, script) != NULL) {
        char *rest = line, *verb;
        number++;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        verb = word(&rest);
        if (strcmp(verb, "config") == 0) {
            char *key = word(&rest);
            size_t i;
            for (i = 0; i < configs && strcmp(config[i].key, key) != 0; i++)
                continue;
            if (i == MAX)
                return 2;
            configs = i == configs ? configs + 1 : configs;
            unescape(rest);
            snprintf(config[i].key, sizeof config[i].key, "%s", key);
            snprintf(config[i].value, sizeof config[i].value, "%s", rest);
        } else if (strcmp(verb, "forget") == 0) {
            configs = 0;
        } else if (strcmp(verb, "init") == 0 && strncmp(rest, "fails ", 6) == 0) {
            is_good = start() != CHAT_OK && is_like(logged, rest + 6);
            snprintf(said, sizeof said, "%s", logged);
        } else if (strcmp(verb, "init") == 0) {
            if (is_started)
                stop(self);
            is_started = is_good = start() == CHAT_OK;
            snprintf(said, sizeof said, "%s", logged);
        } else if (strcmp(verb, "now") == 0) {
            now = strtoul(rest, NULL, 10);
        } else if (strcmp(verb, "reload") == 0) {
            call(CHAT_HOOK_RELOAD, 0, "", "", "", "", 0);
            snprintf(said, sizeof said, "%s", logged);
        } else if (strcmp(verb, "swap") == 0) {
            void *old = self;
            is_good = start() == CHAT_OK && (chat_plugin_v1.save == NULL || chat_plugin_v1.save(old, &HOST) == CHAT_OK) &&
                      (chat_plugin_v1.restore == NULL || kept == NULL ||
                       chat_plugin_v1.restore(self, &HOST, kept, kept_len) == CHAT_OK);
            stop(old);
        } else if (strcmp(verb, "fuzz") == 0) {
            fuzz(strtoul(rest, NULL, 10));
        } else if (strcmp(verb, "command") == 0) {
            char *from = word(&rest), *room = word(&rest), *name = word(&rest);
            verdict = call(CHAT_HOOK_COMMAND, 0, from, room, name, rest, strlen(rest));
        } else if (strcmp(verb, "=") == 0) {
            static const char *const names[] = {"pass", "modified", "", "reject", "handled", "defer"};
            char *wanted = word(&rest);
            unescape(rest);
            is_good = verdict >= 0 && verdict < 6 && strcmp(names[verdict], wanted) == 0 && is_like(said, rest);
        } else if (kind_of(verb) != 0) {
            uint32_t kind = kind_of(verb);
            char *from = word(&rest), *room = word(&rest);
            verdict = call(CHAT_HOOK_ENTRY, kind, from, room, "", rest, strlen(rest));
        } else {
            is_good = 0;
        }
    }
    if (!is_good)
        printf("%s:%u: it came to verdict %d, \"%s\"\n", argv[1], number, (int)verdict, said);
    if (is_started)
        stop(self);
    free(kept);
    fclose(script);
    return is_good ? 0 : 1;
}
