/*
 * Word filter: refuses or masks what has a word of a list in it.
 *
 *     [plugin.wordfilter]
 *     words  = ["darn", "heck"]       # one or both of these two is needed
 *     file   = "/etc/chat/words.txt"  # one word a line; empty lines and those that begin with # don't count
 *     action = "reject"               # or "mask": each letter becomes a *
 *     reason = "please mind your language"   # what the sender is told
 *
 * It looks at everything that people can read: texts, edits, topics, reactions, presence texts and names of
 * files. A word counts as a whole, in any case and in any script, also with letters of full width or
 * invisible characters in it; "scunthorpe" has no bad word in it, and "h3ck" is another word. A reaction is
 * refused where a text would be masked. What two people say to each other in a direct conversation is
 * theirs: the plugin does not ask to see it. The list is read again on `chat-cli plugin reload wordfilter`, and
 * when the configuration changes; a list with a mistake in it leaves the old one in place.
 */

#include <chat_plugin.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fold.h"

/* A list is written by hand; these are far beyond. */
#define MAX_WORDS 20000u
#define MAX_FILE_BYTES (1024u * 1024u)
/* Bytes of one word when it is folded. */
#define MAX_WORD_BYTES 64u
/* Twice the words, so that a look-up ends soon; a power of two. */
#define SLOTS 65536u
/* The longest text that there is. */
#define MAX_TEXT_BYTES 16384u
#define MAX_REASON_BYTES 200u

/* A set of folded words: open addressing over places in one block of bytes. */
typedef struct {
    uint32_t slots[SLOTS]; /* place of a word plus 1; 0 is free */
    uint32_t count;
    uint32_t used;
    uint32_t capacity;
    char *bytes; /* words, each with a length before it */
} word_set;

typedef struct {
    word_set *words;
    int masks;
    char reason[MAX_REASON_BYTES + 1];
    char masked[MAX_TEXT_BYTES];
} word_filter;

/* A word that is being folded. */
typedef struct {
    char bytes[MAX_WORD_BYTES];
    uint32_t len; /* MAX_WORD_BYTES + 1: too long for any list */
} folded_word;

/* Logs a complaint; what a user wrote never gets here, only what the operator did. */
static void complain(const chat_host *host, const char *what, const char *about)
{
    char line[512];
    snprintf(line, sizeof line, what, about);
    host->log(host, CHAT_LOG_ERROR, line);
}

/* ---- characters ---- */

/* The character at `text`, and its bytes. What is no UTF-8 is one byte and no letter. */
static size_t decode(const unsigned char *text, size_t left, uint32_t *code)
{
    uint32_t first = text[0];
    size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    size_t i;

    *code = 0xfffd;
    if (size == 0 || size > left)
        return 1;
    if (size == 1) {
        *code = first;
        return 1;
    }
    first &= 0x7fu >> size;
    for (i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 1;
        first = first << 6 | (text[i] & 0x3fu);
    }
    *code = first;
    return size;
}

static size_t encode(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static uint32_t fold(uint32_t code)
{
    size_t low = 0, high = sizeof FOLDS / sizeof FOLDS[0];

    if (code < 0x80)
        return code >= 'A' && code <= 'Z' ? code + 32 : code;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > FOLDS[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < sizeof FOLDS / sizeof FOLDS[0] && code >= FOLDS[low].first &&
        (code - FOLDS[low].first) % FOLDS[low].step == 0)
        return (uint32_t)((int32_t)code + FOLDS[low].delta);
    return code;
}

static int is_within(uint32_t code, const uint32_t (*ranges)[2], size_t count)
{
    size_t i;
    for (i = 0; i < count && code >= ranges[i][0]; i++)
        if (code <= ranges[i][1])
            return 1;
    return 0;
}

/* Nobody sees these: a word with one in it reads like the word. */
static int is_invisible(uint32_t code)
{
    static const uint32_t ranges[][2] = {
        {0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x061c, 0x061c}, {0x115f, 0x1160}, {0x17b4, 0x17b5},
        {0x180b, 0x180f}, {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},
        {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xe0000, 0xe0fff},
    };
    return code >= 0xad && is_within(code, ranges, sizeof ranges / sizeof ranges[0]);
}

/* Whether a (folded) character belongs to words: everything but spaces, punctuation and pictures. */
static int is_letter(uint32_t code)
{
    static const uint32_t others[][2] = {
        {0x0080, 0x00a9}, {0x00ab, 0x00b4}, {0x00b6, 0x00b9}, {0x00bb, 0x00bf}, {0x00d7, 0x00d7},
        {0x00f7, 0x00f7}, {0x2000, 0x206f}, {0x20a0, 0x20cf}, {0x2190, 0x2bff}, {0x2e00, 0x2e7f},
        {0x3000, 0x3004}, {0x3008, 0x3020}, {0x3030, 0x3030}, {0xe000, 0xf8ff}, {0xfe10, 0xfe6f},
        {0xfff0, 0xffff}, {0x1f000, 0x1faff},
    };
    if (code < 0x80)
        return (code >= 'a' && code <= 'z') || (code >= '0' && code <= '9');
    return !is_within(code, others, sizeof others / sizeof others[0]);
}

static void append(folded_word *word, uint32_t code)
{
    char bytes[4];
    size_t size = encode(code, bytes);

    if (word->len + size > MAX_WORD_BYTES) {
        word->len = MAX_WORD_BYTES + 1;
        return;
    }
    memcpy(word->bytes + word->len, bytes, size);
    word->len += (uint32_t)size;
}

/* ---- the set of words ---- */

static uint32_t hash(const char *bytes, uint32_t len)
{
    uint32_t sum = 2166136261u, i;
    for (i = 0; i < len; i++)
        sum = (sum ^ (unsigned char)bytes[i]) * 16777619u;
    return sum ^ sum >> 15;
}

/* The slot of a word, or the free one where it would be. */
static uint32_t slot_of(const word_set *set, const folded_word *word)
{
    uint32_t slot = hash(word->bytes, word->len) % SLOTS;

    while (set->slots[slot] != 0) {
        const char *there = set->bytes + set->slots[slot] - 1;
        if ((unsigned char)there[0] == word->len && memcmp(there + 1, word->bytes, word->len) == 0)
            break;
        slot = (slot + 1) % SLOTS;
    }
    return slot;
}

static int contains(const word_set *set, const folded_word *word)
{
    return word->len > 0 && word->len <= MAX_WORD_BYTES && set->slots[slot_of(set, word)] != 0;
}

static void free_set(word_set *set)
{
    if (set != NULL)
        free(set->bytes);
    free(set);
}

/* Adds the word of `len` bytes, folded. NULL, or why not. */
static const char *add_word(word_set *set, const char *text, size_t len)
{
    folded_word word = {{0}, 0};
    uint32_t slot;
    size_t at;

    for (at = 0; at < len;) {
        uint32_t code;
        at += decode((const unsigned char *)text + at, len - at, &code);
        code = fold(code);
        if (is_invisible(code))
            continue;
        if (!is_letter(code))
            return "\"%.100s\" is not one word of letters and digits";
        append(&word, code);
    }
    if (word.len == 0)
        return "\"%.100s\" is no word";
    if (word.len > MAX_WORD_BYTES)
        return "\"%.100s\" is longer than 64 bytes";
    slot = slot_of(set, &word);
    if (set->slots[slot] != 0)
        return NULL;
    if (set->count == MAX_WORDS)
        return "there are more than 20000 words at \"%.100s\"";
    if (set->used + 1 + word.len > set->capacity) {
        uint32_t capacity = set->capacity * 2 + 4096;
        char *bytes = realloc(set->bytes, capacity);
        if (bytes == NULL)
            return "out of memory at \"%.100s\"";
        set->bytes = bytes;
        set->capacity = capacity;
    }
    set->slots[slot] = set->used + 1;
    set->bytes[set->used] = (char)word.len;
    memcpy(set->bytes + set->used + 1, word.bytes, word.len);
    set->used += 1 + word.len;
    set->count++;
    return NULL;
}

/* Adds words, one a line. */
static int add_lines(const chat_host *host, word_set *set, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\r\n");
        size_t from = strspn(text, " \t"), to = len;

        while (to > from && (text[to - 1] == ' ' || text[to - 1] == '\t'))
            to--;
        if (to > from && text[from] != '#') {
            const char *why = add_word(set, text + from, to - from);
            if (why != NULL) {
                char word[101];
                snprintf(word, sizeof word, "%.*s", (int)(to - from > 100 ? 100 : to - from), text + from);
                complain(host, why, word);
                return 0;
            }
        }
        text += len;
        text += strspn(text, "\r\n");
    }
    return 1;
}

static int add_file(const chat_host *host, word_set *set, const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text;
    size_t len;
    int is_good = 0;

    if (file == NULL) {
        char why[400];
        snprintf(why, sizeof why, "%.200s: %s", path, strerror(errno));
        complain(host, "file: cannot open %s", why);
        return 0;
    }
    text = malloc(MAX_FILE_BYTES + 1);
    len = text == NULL ? 0 : fread(text, 1, MAX_FILE_BYTES + 1, file);
    if (text == NULL || ferror(file))
        complain(host, "file: cannot read %s", path);
    else if (len > MAX_FILE_BYTES)
        complain(host, "file: %s is larger than 1 MiB", path);
    else if (memchr(text, '\0', len) != NULL)
        complain(host, "file: %s is no text", path);
    else {
        text[len] = '\0';
        is_good = add_lines(host, set, text);
    }
    free(text);
    fclose(file);
    return is_good;
}

/* Reads the configuration into `filter`, or leaves it as it is. */
static int configure(word_filter *filter, const chat_host *host)
{
    const char *words = host->config(host, "words"), *file = host->config(host, "file");
    const char *action = host->config(host, "action"), *reason = host->config(host, "reason");
    word_set *set;

    if (words == NULL && file == NULL) {
        complain(host, "no words: set words = [\"..\"] or file = \"..\" under [plugin.%s]", host->name);
        return 0;
    }
    if (action != NULL && strcmp(action, "reject") != 0 && strcmp(action, "mask") != 0) {
        complain(host, "action = \"%.100s\": it is \"reject\" or \"mask\"", action);
        return 0;
    }
    if (reason == NULL)
        reason = "please mind your language";
    if (strlen(reason) > MAX_REASON_BYTES) {
        complain(host, "reason is longer than 200 bytes: %.100s..", reason);
        return 0;
    }
    set = calloc(1, sizeof *set);
    if (set == NULL || (words != NULL && !add_lines(host, set, words)) ||
        (file != NULL && !add_file(host, set, file))) {
        free_set(set);
        return 0;
    }
    free_set(filter->words);
    filter->words = set;
    filter->masks = action != NULL && strcmp(action, "mask") == 0;
    memcpy(filter->reason, reason, strlen(reason) + 1);
    return 1;
}

/* ---- the hooks ---- */

/* Masks the letters of a word that lies at `from` to `to`. Only ever makes it shorter. */
static size_t mask(char *out, const char *text, size_t from, size_t to)
{
    size_t len = 0;

    while (from < to) {
        uint32_t code;
        from += decode((const unsigned char *)text + from, to - from, &code);
        out[len++] = '*';
    }
    return len;
}

/*
 * Goes through a text word by word. Answers how many words are of the list; with `out`, which has room for
 * the whole text, copies the text there with these masked.
 */
static size_t scan(const word_set *set, const char *text, size_t len, char *out, size_t *out_len)
{
    size_t at = 0, word_at = 0, found = 0, written = 0;
    folded_word word;

    word.len = 0;
    while (at <= len) {
        uint32_t code = ' ';
        size_t size = 1;

        if (at < len)
            size = decode((const unsigned char *)text + at, len - at, &code);
        code = fold(code);
        if (is_invisible(code)) {
            at += size;
            continue;
        }
        if (is_letter(code)) {
            append(&word, code);
            at += size;
            continue;
        }
        /* A word has ended, if there was one; then comes what is no letter. */
        if (contains(set, &word)) {
            found++;
            if (out != NULL)
                written += mask(out + written, text, word_at, at);
        } else if (out != NULL) {
            memcpy(out + written, text + word_at, at - word_at);
            written += at - word_at;
        }
        word.len = 0;
        if (out != NULL && at < len) {
            memcpy(out + written, text + at, size);
            written += size;
        }
        at += size;
        word_at = at;
    }
    if (out_len != NULL)
        *out_len = written;
    return found;
}

static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    word_filter *filter = self;
    size_t len = (size_t)event->text_len, masked;

    /* Sealed, deleted or without text: there is nothing to read. */
    if (event->text == NULL || scan(filter->words, event->text, len, NULL, NULL) == 0)
        return CHAT_PASS;
    if (filter->masks && event->kind != CHAT_KIND_REACTION && len <= sizeof filter->masked) {
        scan(filter->words, event->text, len, filter->masked, &masked);
        /* The operator may have taken MODIFY away. */
        if (host->set_text(host, event, filter->masked, masked) == CHAT_OK)
            return CHAT_MODIFIED;
    }
    host->set_reason(host, event, filter->reason);
    return CHAT_REJECT;
}

static chat_verdict reload(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)event;
    if (!configure(self, host))
        host->log(host, CHAT_LOG_WARN, "the old list of words stays");
    return CHAT_PASS;
}

static void destroy(void *self, const chat_host *host)
{
    word_filter *filter = self;

    (void)host;
    if (filter != NULL)
        free_set(filter->words);
    free(filter);
}

static chat_status init(const chat_host *host, void **self)
{
    word_filter *filter = calloc(1, sizeof *filter);
    chat_status status;

    if (filter == NULL || !configure(filter, host)) {
        free(filter);
        return CHAT_MISUSE;
    }
    status = host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
    if (status == CHAT_OK)
        status = host->hook(host, CHAT_HOOK_RELOAD, 0, reload);
    if (status != CHAT_OK) {
        destroy(filter, host);
        return status;
    }
    *self = filter;
    return CHAT_OK;
}

CHAT_PLUGIN_DECLARE("org.libchat.wordfilter", "Word filter", "1.0", "MIT OR Apache-2.0",
                    CHAT_CAP_READ_TEXT | CHAT_CAP_MODIFY | CHAT_CAP_REJECT, init, destroy);
