/* close and free at random moments, from other threads, while a client looks names up, connects, shakes hands,
 * logs in, sends, transfers a file and somebody waits for its events: against a real `chat-cli serve`, against
 * addresses where nobody answers, and where nobody is. No crash, no callback after free, every call within what
 * chat.h says, and nothing left behind.
 *
 * CHAT_CLI is the program. CHAT_SEED repeats a storm, CHAT_TURNS says how long it is.
 *
 * valgrind: its threads take turns, so that hardly any moment is random.
 */
#include "check.h"
#include "usage.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum { WORKERS = 4, FILE_BYTES = 2 << 20, SLACK_MS = 3000, FREE_MS = 5000, CLOSE_MS = 3000 };
enum { LIVE, LOOKED_UP, SILENT, BLACK_HOLE, NOBODY, ADDRESSES };

static char addresses[ADDRESSES][64], fingerprint[128], file_path[300];
static uint64_t seed;
static int turns;
static atomic_int turn, late, woken, refused, online, sending, transferring, moving, not_settled, log_lines;
static atomic_long slowest_close, slowest_free;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static long now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void keep_most(atomic_long *most, long value)
{
    long seen = atomic_load(most);
    while (value > seen && !atomic_compare_exchange_weak(most, &seen, value))
        continue;
}

/* One client. It stays until the end, so that a late callback is counted and not a crash. */
struct play {
    chat_client *client;
    atomic_int gone, connected, frees;
    uint64_t random, seed;
};

static void on_wake(void *user)
{
    struct play *play = user;
    if (atomic_load(&play->gone))
        atomic_fetch_add(&late, 1);
    atomic_fetch_add(&woken, 1);
    CHECK_IS(chat_client_free(play->client), CHAT_MISUSE);
    atomic_fetch_add(&refused, 1);
}

static void on_log(void *user, chat_log_level level, const char *target, const char *message)
{
    (void)level, (void)target, (void)message;
    atomic_fetch_add(&log_lines, 1);
    CHECK_IS(chat_client_free(user), CHAT_MISUSE);
}

static void *take(void *user)
{
    struct play *play = user;
    chat_event *event;
    int32_t wait = next_random(&play->random) % 2 ? -1 : 20;
    while (chat_client_next_event(play->client, wait, &event) == CHAT_OK) {
        if (event == NULL)
            continue;
        if (chat_event_get_type(event) == CHAT_EVENT_CONNECTED)
            atomic_fetch_add(&online, 1);
        if (chat_event_get_type(event) == CHAT_EVENT_PROGRESS)
            atomic_fetch_add(&moving, 1);
        if (chat_event_get_type(event) == CHAT_EVENT_CONNECTED || chat_event_get_type(event) == CHAT_EVENT_CLOSED)
            atomic_store(&play->connected, 1);
        CHECK_OK(chat_event_free(event));
    }
    return NULL;
}

static void *end(void *user)
{
    struct play *play = user;
    /* A state of its own. */
    uint64_t random = play->seed ^ UINT64_C(0x2545f4914f6cdd1d);
    for (int i = 0; i < 3; i++)
        next_random(&random);
    if (next_random(&random) % 2 == 0)
        for (int i = 0; i < 300 && !atomic_load(&play->connected); i++)
            usleep(1000);
    usleep((useconds_t)(next_random(&random) % (UINT64_C(1) << (next_random(&random) % 16))));
    if (next_random(&random) % 2) {
        uint32_t flush = (uint32_t)(next_random(&random) % 3) * 10;
        long began = now_ms();
        chat_status status = chat_client_close(play->client, flush);
        long took = now_ms() - began;
        CHECK(status == CHAT_OK || status == CHAT_TIMEOUT || status == CHAT_BAD_HANDLE);
        if (status == CHAT_TIMEOUT)
            atomic_fetch_add(&not_settled, 1);
        keep_most(&slowest_close, took - (long)flush);
        CHECK(took <= (long)flush + CLOSE_MS + SLACK_MS);
        if (next_random(&random) % 2)
            usleep((useconds_t)(next_random(&random) % 500));
    }
    long began = now_ms();
    chat_status status = chat_client_free(play->client);
    long took = now_ms() - began;
    CHECK(took <= FREE_MS + SLACK_MS);
    CHECK(status == CHAT_OK || status == CHAT_BAD_HANDLE);
    if (status == CHAT_OK) {
        atomic_store(&play->gone, 1);
        atomic_fetch_add(&play->frees, 1);
        keep_most(&slowest_free, took);
    }
    return NULL;
}

static void play_once(int number, struct play *play)
{
    play->random = (seed + (uint64_t)number) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    for (int i = 0; i < 8; i++)
        next_random(&play->random);
    play->seed = play->random;
    chat_client_options options;
    CHECK_OK(chat_client_options_init(&options, sizeof options));
    uint64_t kind = next_random(&play->random) % 8;
    options.address = addresses[kind < ADDRESSES ? kind : LIVE];
    options.fingerprint = fingerprint;
    options.account = "ann";
    options.password = PASSWORD;
    options.patient = (uint32_t)(next_random(&play->random) % 2);
    uint64_t random = next_random(&play->random);
    CHECK_OK(chat_client_new(&options, &play->client));
    CHECK_OK(chat_client_set_wakeup(play->client, on_wake, play));
    CHECK_OK(chat_client_connect(play->client, NULL));

    pthread_t taker, enders[2];
    CHECK(pthread_create(&taker, NULL, take, play) == 0);
    int many = 1 + (int)(random % 2);
    for (int i = 0; i < many; i++)
        CHECK(pthread_create(&enders[i], NULL, end, play) == 0);
    for (int i = 0; i < 20; i++)
        if (chat_client_send(play->client, "lobby", "in a storm", NULL, NULL) == CHAT_OK)
            atomic_fetch_add(&sending, 1);
    if (chat_client_send_file(play->client, "lobby", file_path, NULL, NULL, NULL) == CHAT_OK)
        atomic_fetch_add(&transferring, 1);
    (void)chat_client_history(play->client, "lobby", CHAT_HISTORY_END, 0, 10, NULL);
    for (int i = 0; i < many; i++)
        pthread_join(enders[i], NULL);
    pthread_join(taker, NULL);
    CHECK(atomic_load(&play->frees) == 1);
}

static struct play *plays;

static void *work(void *unused)
{
    (void)unused;
    int number;
    while ((number = atomic_fetch_add(&turn, 1)) < turns)
        play_once(number, &plays[number]);
    return NULL;
}

static void storm(int until)
{
    turns = until;
    pthread_t workers[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        CHECK(pthread_create(&workers[i], NULL, work, NULL) == 0);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    atomic_store(&turn, until);
}

/* Listens and never answers; with a full backlog, it does not even take connections. */
static void listen_silently(char *address, size_t size, int full)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(listen(listener, full ? 0 : 4096) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&at, &length) == 0);
    snprintf(address, size, "127.0.0.1:%d", ntohs(at.sin_port));
    for (int i = 0; full && i < 4; i++) {
        int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        CHECK(filler >= 0);
        (void)connect(filler, (struct sockaddr *)&at, sizeof at);
    }
}

static pid_t serve(const char *program, const char *folder)
{
    int out[2];
    CHECK(pipe2(out, O_CLOEXEC) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(out[1], 1);
        execl(program, program, "serve", "--json", "--listen", "127.0.0.1:0", "--data", folder, "--store",
              "memory", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *lines = fdopen(out[0], "r");
    char line[4096];
    while (fgets(line, sizeof line, lines)) {
        char *address = strstr(line, "\"addr\":\""), *key = strstr(line, "\"fingerprint\":\"");
        if (!strstr(line, "\"listening\"") || !address || !key)
            continue;
        CHECK(sscanf(address, "\"addr\":\"%63[^\"]", addresses[LIVE]) == 1);
        CHECK(sscanf(key, "\"fingerprint\":\"%127[^\"]", fingerprint) == 1);
        return child; /* with the pipe open */
    }
    fprintf(stderr, "%s does not serve\n", program);
    exit(1);
}

int main(void)
{
    const char *cli = getenv("CHAT_CLI"), *given = getenv("CHAT_SEED"), *many = getenv("CHAT_TURNS");
    CHECK(cli != NULL);
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    int all = many ? atoi(many) : getenv("CHAT_LONG") ? 10000 : 1000;
    fprintf(stderr, "CHAT_SEED=%" PRIu64 ", %d turns\n", seed, all);

    char folder[256], data[300];
    new_folder(folder, sizeof folder);
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(file_path, sizeof file_path, "%s/file", folder);
    FILE *file = fopen(file_path, "w");
    CHECK(file && ftruncate(fileno(file), FILE_BYTES) == 0);
    fclose(file);
    pid_t server = serve(cli, data);
    snprintf(addresses[LOOKED_UP], sizeof addresses[LOOKED_UP], "localhost:%s", strrchr(addresses[LIVE], ':') + 1);
    listen_silently(addresses[SILENT], sizeof addresses[SILENT], 0);
    listen_silently(addresses[BLACK_HOLE], sizeof addresses[BLACK_HOLE], 1);
    snprintf(addresses[NOBODY], sizeof addresses[NOBODY], "127.0.0.1:1");

    /* The account that all of them use. */
    chat_client_options options;
    CHECK_OK(chat_client_options_init(&options, sizeof options));
    options.address = addresses[LIVE];
    options.fingerprint = fingerprint;
    options.account = "ann";
    options.password = PASSWORD;
    options.register_account = 1;
    chat_client *owner;
    CHECK_OK(chat_client_new(&options, &owner));
    client_connect(owner);
    CHECK_OK(chat_client_close(owner, 1000));
    CHECK_OK(chat_client_free(owner));

    int first = all / 2;
    plays = calloc((size_t)all, sizeof *plays);
    CHECK(plays != NULL);
    memset(plays, 0, (size_t)all * sizeof *plays);
    CHECK_OK(chat_set_log(CHAT_LOG_TRACE, on_log, (void *)(uintptr_t)12345));
    storm(first);
    long before = resident_kib();
    int open = descriptors();
    storm(all);
    CHECK_OK(chat_set_log(CHAT_LOG_TRACE, NULL, NULL));
    long grown = resident_kib() - before;
    int more = descriptors() - open;
    fprintf(stderr,
            "%d came online, %d sends, %d files (%d progress); %d wake-ups, %d lines of log, all refused to free; %d late; slowest "
            "close %ld ms over its flush, slowest free %ld ms, %d closes timed out; %ld KiB more, %d descriptors more\n",
            atomic_load(&online), atomic_load(&sending), atomic_load(&transferring), atomic_load(&moving), atomic_load(&woken),
            atomic_load(&log_lines), atomic_load(&late), atomic_load(&slowest_close), atomic_load(&slowest_free),
            atomic_load(&not_settled), grown, more);
    /* Whoever comes afterwards is served as ever. */
    options.register_account = 0;
    CHECK_OK(chat_client_new(&options, &owner));
    client_connect(owner);
    uint64_t request;
    CHECK_OK(chat_client_send(owner, "lobby", "after the storm", NULL, &request));
    CHECK_OK(status_of(reply_to(owner, request)));
    CHECK_OK(chat_client_free(owner));
    int status;
    CHECK(waitpid(server, &status, WNOHANG) == 0);
    CHECK(kill(server, SIGTERM) == 0 && waitpid(server, &status, 0) == server);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(atomic_load(&late) == 0);
    CHECK(atomic_load(&refused) == atomic_load(&woken));
    CHECK(atomic_load(&online) > 0 && atomic_load(&sending) > 0 && atomic_load(&transferring) > 0);
    /* The allocator's arenas; sanitizers keep what is freed for a while. */
    CHECK(getenv("CHAT_SANITIZED") || grown < 8192);
    CHECK(more <= 4);
    free(plays);
    return 0;
}
