/* Closing and freeing, from everywhere, in every state; handles that are stale, foreign or made up; the log. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

static chat_client *shared;
static atomic_int lines, refused;

static void *closer(void *unused)
{
    (void)unused;
    chat_status status = chat_client_close(shared, 5000);
    CHECK(status == CHAT_OK);
    return NULL;
}

/* A log that does what it must not do. */
static void on_log(void *user, chat_log_level level, const char *target, const char *message)
{
    CHECK(level >= CHAT_LOG_ERROR && level <= CHAT_LOG_TRACE && *target && message);
    atomic_fetch_add(&lines, 1);
    if (chat_client_free(*(chat_client **)user) == CHAT_MISUSE)
        atomic_fetch_add(&refused, 1);
    CHECK_TEXT(chat_status_name(CHAT_MISUSE), "CHAT_MISUSE");
}

static void handles_are_checked(chat_server *server)
{
    chat_client *client = client_new(server, "ann");
    chat_event *event;
    CHECK_OK(chat_client_send(client, "lobby", "x", NULL, NULL));
    event = next_of(client, CHAT_EVENT_MESSAGE);

    /* Another kind. */
    CHECK_IS(chat_client_free((chat_client *)(void *)event), CHAT_BAD_HANDLE);
    CHECK_IS(chat_event_free((chat_event *)(void *)client), CHAT_BAD_HANDLE);
    CHECK_IS(chat_server_stop((chat_server *)(void *)client), CHAT_BAD_HANDLE);
    CHECK_IS(chat_client_join((chat_client *)(void *)server, "lobby", NULL), CHAT_BAD_HANDLE);
    /* Made up. */
    for (uintptr_t wrong = 0; wrong < 5; wrong++) {
        chat_client *made = (chat_client *)(wrong * 0x123456789u + wrong);
        CHECK_IS(chat_client_join(made, "lobby", NULL), CHAT_BAD_HANDLE);
        CHECK(chat_client_fd(made) == -1 && chat_client_state(made) == -1);
        CHECK_TEXT(chat_client_account(made), "");
    }
    CHECK_IS(chat_client_join((chat_client *)(void *)&event, "lobby", NULL), CHAT_BAD_HANDLE);
    /* Freed. */
    CHECK_OK(chat_event_free(event));
    CHECK_IS(chat_event_free(event), CHAT_BAD_HANDLE);
    CHECK_TEXT(chat_event_text(event), "");
    CHECK(chat_event_get_type(event) == 0 && chat_event_to_json(event) == NULL);
    CHECK_IS(chat_event_status(event), CHAT_BAD_HANDLE);
    CHECK_OK(chat_event_free(NULL));
    CHECK_OK(chat_client_free(client));
    CHECK_IS(chat_client_send(client, "lobby", "x", NULL, NULL), CHAT_BAD_HANDLE);
    CHECK_IS(chat_client_next_event(client, -1, &event), CHAT_BAD_HANDLE);
    CHECK_IS(chat_client_set_wakeup(client, NULL, NULL), CHAT_BAD_HANDLE);
    chat_string_free(NULL);
}

int main(void)
{
    chat_server *server = server_new();
    handles_are_checked(server);

    /* Many close at once, after a send that is still under way. */
    shared = client_new(server, "bob");
    uint64_t request;
    CHECK_OK(chat_client_send(shared, "lobby", "settled", NULL, &request));
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, closer, NULL) == 0);
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    CHECK_OK(status_of(reply_to(shared, request)));
    drain(shared);
    CHECK_OK(chat_client_free(shared));

    /* Freeing in every state: new, connecting, waiting to connect again, online, closed. */
    chat_client *client = client_new(server, "cid");
    CHECK_OK(chat_client_free(client));
    chat_client_options options = client_options(server, "cid");
    /* The account is there: who was so quick as to open it once more would be refused. */
    options.register_account = 0;
    CHECK_OK(chat_client_new(&options, &client));
    CHECK_OK(chat_client_free(client));
    CHECK_OK(chat_client_new(&options, &client));
    CHECK_OK(chat_client_close(client, 1000));
    CHECK_OK(chat_client_free(client));
    for (int i = 0; i < 20; i++) {
        CHECK_OK(chat_client_new(&options, &client));
        CHECK_OK(chat_client_connect(client, NULL));
        CHECK_OK(chat_client_send(client, "lobby", "on the way", NULL, NULL));
        if (i % 3 == 1)
            usleep((useconds_t)(i * 500));
        CHECK_OK(chat_client_free(client));
    }
    options.address = "127.0.0.1:1";
    options.patient = 1;
    CHECK_OK(chat_client_new(&options, &client));
    CHECK_OK(chat_client_connect(client, NULL));
    CHECK_OK(chat_event_free(next_of(client, CHAT_EVENT_RECONNECTING)));
    CHECK_OK(chat_client_free(client));

    /* The log goes where the host wants it, and its callback may not free. */
    CHECK_IS(chat_set_log(9, on_log, &client), CHAT_INVALID);
    CHECK_OK(chat_set_log(CHAT_LOG_TRACE, on_log, &client));
    client = client_new(server, "dan");
    CHECK_OK(chat_client_send(client, "lobby", "x", NULL, &request));
    CHECK_OK(status_of(reply_to(client, request)));
    CHECK_OK(chat_client_free(client));
    /* What is no protocol is worth a line. */
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK_OK(chat_server_serve_fd(server, pair[1]));
    CHECK(write(pair[0], "GET / HTTP/1.1\r\n\r\n", 18) == 18);
    char byte;
    while (read(pair[0], &byte, 1) > 0)
        continue;
    close(pair[0]);
    CHECK_OK(chat_server_free(server));
    CHECK_OK(chat_set_log(CHAT_LOG_TRACE, NULL, NULL));
    int seen = atomic_load(&lines);
    CHECK(seen > 0 && atomic_load(&refused) == seen);
    server = server_new();
    CHECK_OK(chat_server_free(server));
    CHECK(atomic_load(&lines) == seen);
    return 0;
}
