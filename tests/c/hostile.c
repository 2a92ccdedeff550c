/* A caller that gets everything wrong: each function of chat.h with NULL, with what is no UTF-8, too long, freed,
 * of another kind or made up, with options of every wrong size; from one thread, then from ten at once. Each call
 * is refused, says why, writes nothing, and takes nobody down.
 *
 * The calls are in hostile_calls.h, which hostile.py makes from the header.
 */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

enum { KIND_CLIENT, KIND_SERVER, KIND_EVENT };
enum { BITS = 64, RANDOM = 32, WRONG = 4 + 8 + BITS + RANDOM, BAD_TEXTS = 6, BAD_LENGTHS = 6, SIZES = 6, TAILS = 2 };
#define CANARY ((struct chat_event *)(uintptr_t)0x5a5a5a5a)
#define CANARY_NUMBER UINT64_C(0x5a5a5a5a5a5a5a5a)

static chat_client *good_client, *freed_client;
static chat_server *good_server, *freed_server;
static chat_event *good_event, *freed_event;
static int not_a_socket;
static const uint8_t sixteen[16];
static char *long_text;
static const char *const bad_texts[BAD_TEXTS] = {
    "\xff", "ok\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "\x80\x80",
};
static const size_t bad_lengths[BAD_LENGTHS] = {0, 1, 15, 17, SIZE_MAX, SIZE_MAX / 2};

/* The i-th handle that is none of this kind. */
static void *wrong_handle(int kind, size_t i)
{
    void *good[] = {good_client, good_server, good_event};
    void *freed[] = {freed_client, freed_server, freed_event};
    if (i < 2)
        return good[((size_t)kind + 1 + i) % 3];
    if (i == 2)
        return freed[kind];
    if (i == 3)
        return freed[(kind + 1) % 3];
    i -= 4;
    const uintptr_t made[8] = {1, 2, 8, UINTPTR_MAX, UINTPTR_MAX / 2, (uintptr_t)&good, (uintptr_t)long_text,
                               (uintptr_t)wrong_handle};
    if (i < 8)
        return (void *)made[i];
    i -= 8;
    if (i < BITS)
        return (void *)((uintptr_t)good[kind] ^ (UINT64_C(1) << i));
    /* The same ones each time. */
    uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    return (void *)(uintptr_t)(x * UINT64_C(0xbf58476d1ce4e5b9));
}

/* Options that are wrong in one way; room for a version to come, and for two wrong texts per field. */
static _Thread_local union {
    uint32_t size;
    struct chat_client_options client;
    struct chat_server_options server;
    struct chat_send_options send;
    struct chat_server_stats stats;
    unsigned char bytes[8192];
} room;

static int wrong_size(size_t i, size_t right)
{
    const uint32_t sizes[SIZES] = {0, 1, 3, UINT32_MAX, UINT32_C(0x80000000), 8192};
    if (i < SIZES) {
        room.size = sizes[i];
        return 1;
    }
    if (i < SIZES + TAILS) {
        room.size = (uint32_t)right + 64;
        room.bytes[right + (i == SIZES ? 0 : 63)] = 1;
        return 1;
    }
    return 0;
}

static void wrong_text(size_t i, const size_t *offsets)
{
    const char *text = i % 2 ? long_text : bad_texts[0];
    memcpy(room.bytes + offsets[i / 2], &text, sizeof text);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BAD_CHAT_CLIENT_OPTIONS (SIZES + TAILS + 2 * COUNT(texts_of_chat_client_options) + 3)
#define BAD_CHAT_SERVER_OPTIONS (SIZES + TAILS + 2 * COUNT(texts_of_chat_server_options) + 3)
#define BAD_CHAT_SEND_OPTIONS (SIZES + TAILS + 2 * COUNT(texts_of_chat_send_options) + 3)
#define BAD_CHAT_SERVER_STATS SIZES

static atomic_ulong counts[512];
#define counted(name) atomic_fetch_add(&counts[number_##name], 1)
#define SAID(name, is)                                                                                 \
    do {                                                                                               \
        counted(name);                                                                                 \
        if (!(is)) {                                                                                   \
            fprintf(stderr, "%s:%d: a bad call of %s was not refused (%s)\n", __FILE__, __LINE__,      \
                    #name, chat_last_error());                                                         \
            exit(1);                                                                                   \
        }                                                                                              \
    } while (0)
#define refused(name, call)                                                                            \
    do {                                                                                               \
        chat_status got_ = (call);                                                                     \
        SAID(name, got_ > 0 && *chat_status_name(got_) && *chat_last_error());                         \
    } while (0)
#define empty(name, call)                                                                              \
    do {                                                                                               \
        const char *got_ = (call);                                                                     \
        SAID(name, got_ != NULL && *got_ == 0);                                                        \
    } while (0)
#define nothing(name, call) SAID(name, (call) == NULL)
/* A status of an event that is none says so; it comes by `refused`. */
#define answers(name, call, expected) SAID(name, (int64_t)(call) == (expected))

static struct chat_client_options *bad_chat_client_options(size_t i);
static struct chat_server_options *bad_chat_server_options(size_t i);
static struct chat_send_options *bad_chat_send_options(size_t i);
static struct chat_server_stats *bad_chat_server_stats(size_t i);

#include "hostile_calls.h"

static struct chat_client_options *bad_chat_client_options(size_t i)
{
    memset(&room, 0, sizeof room);
    CHECK_OK(chat_client_options_init(&room.client, sizeof room.client));
    room.client.address = "127.0.0.1:1";
    room.client.account = "ann";
    room.client.password = PASSWORD;
    if (wrong_size(i, sizeof room.client))
        return &room.client;
    i -= SIZES + TAILS;
    if (i < 2 * COUNT(texts_of_chat_client_options)) {
        wrong_text(i, texts_of_chat_client_options);
        return &room.client;
    }
    i -= 2 * COUNT(texts_of_chat_client_options);
    if (i == 0)
        room.client.trust = 77;
    else if (i == 1)
        room.client.reserved = 1;
    else {
        room.client.address = NULL;
        room.client.server = wrong_handle(KIND_SERVER, 0);
    }
    return &room.client;
}

static struct chat_server_options *bad_chat_server_options(size_t i)
{
    memset(&room, 0, sizeof room);
    CHECK_OK(chat_server_options_init(&room.server, sizeof room.server));
    if (wrong_size(i, sizeof room.server))
        return &room.server;
    i -= SIZES + TAILS;
    if (i < 2 * COUNT(texts_of_chat_server_options)) {
        wrong_text(i, texts_of_chat_server_options);
        return &room.server;
    }
    i -= 2 * COUNT(texts_of_chat_server_options);
    if (i == 0)
        room.server.registration = 77;
    else if (i == 1)
        room.server.listen_count = 5; /* of nothing */
    else {
        room.server.listen = bad_texts;
        room.server.listen_count = UINT32_MAX;
    }
    return &room.server;
}

static struct chat_send_options *bad_chat_send_options(size_t i)
{
    memset(&room, 0, sizeof room);
    CHECK_OK(chat_send_options_init(&room.send, sizeof room.send));
    if (wrong_size(i, sizeof room.send))
        return &room.send;
    i -= SIZES + TAILS;
    if (i < 2 * COUNT(texts_of_chat_send_options)) {
        wrong_text(i, texts_of_chat_send_options);
        return &room.send;
    }
    i -= 2 * COUNT(texts_of_chat_send_options);
    room.send.send_id = i == 0 ? NULL : sixteen;
    room.send.send_id_len = i == 0 ? 16 : i == 1 ? 15 : UINT32_MAX;
    return &room.send;
}

static struct chat_server_stats *bad_chat_server_stats(size_t i)
{
    memset(&room, 0, sizeof room);
    CHECK_OK(chat_server_stats_init(&room.stats, sizeof room.stats));
    CHECK(wrong_size(i, sizeof room.stats));
    return &room.stats;
}

static pthread_barrier_t together;

static void *everything(void *round)
{
    pthread_barrier_wait(&together);
    /* Each one begins elsewhere. */
    for (size_t i = 0; i < FUNCTIONS; i++)
        trials[(i + (size_t)(uintptr_t)round * 13) % FUNCTIONS]();
    return NULL;
}

int main(void)
{
    good_server = server_new();
    good_client = client_new(good_server, "ann");
    uint64_t request;
    CHECK_OK(chat_client_send(good_client, "lobby", "here", NULL, &request));
    good_event = reply_to(good_client, request);
    CHECK_OK(chat_client_send(good_client, "lobby", "here", NULL, &request));
    freed_event = reply_to(good_client, request);
    CHECK_OK(chat_event_free(freed_event));
    freed_client = client_new(good_server, "bob");
    CHECK_OK(chat_client_free(freed_client));
    freed_server = server_new();
    CHECK_OK(chat_server_free(freed_server));
    FILE *file = tmpfile();
    CHECK(file != NULL);
    not_a_socket = fileno(file);
    enum { LONG = 4 << 20 };
    long_text = malloc(LONG);
    CHECK(long_text != NULL);
    memset(long_text, 'a', LONG - 1);
    long_text[LONG - 1] = 0;

    CHECK(pthread_barrier_init(&together, NULL, 1) == 0);
    everything(NULL);
    pthread_barrier_destroy(&together);
    enum { THREADS = 10 };
    pthread_t threads[THREADS];
    /* valgrind runs one thread at a time: there it is only slower. */
    unsigned many = getenv("CHAT_VALGRIND") ? 1 : THREADS;
    CHECK(pthread_barrier_init(&together, NULL, many) == 0);
    for (uintptr_t i = 0; i < many; i++)
        CHECK(pthread_create(&threads[i], NULL, everything, (void *)i) == 0);
    for (unsigned i = 0; i < many; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&together);

    unsigned long total = 0;
    for (int i = 0; i < FUNCTIONS; i++) {
        if (counts[i] < 1 + many) {
            fprintf(stderr, "%s was not called\n", function_names[i]);
            exit(1);
        }
        total += counts[i];
    }
    fprintf(stderr, "%d functions, %lu bad calls\n", FUNCTIONS, total);
    /* Nothing was accepted, and the good ones are as good as before. */
    CHECK(chat_client_open_requests(good_client) == 0);
    CHECK_OK(chat_client_send(good_client, "lobby", "still here", NULL, &request));
    CHECK_OK(status_of(reply_to(good_client, request)));
    CHECK_OK(chat_event_free(good_event));
    CHECK_OK(chat_client_free(good_client));
    CHECK_OK(chat_server_free(good_server));
    fclose(file);
    free(long_text);
    return 0;
}
