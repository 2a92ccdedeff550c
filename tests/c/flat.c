/* Handles that come and go leave nothing behind: memory and descriptors stay where they are.
 *
 * valgrind: it would only look at the same thing a hundred times slower.
 */
#include "check.h"
#include "usage.h"

#include <poll.h>

static chat_server *server;

static void client_comes_and_goes(void)
{
    chat_client_options options;
    CHECK_OK(chat_client_options_init(&options, sizeof options));
    options.account = "ann";
    options.password = PASSWORD;
    options.server = server;
    chat_client *client;
    CHECK_OK(chat_client_new(&options, &client));
    CHECK_OK(chat_client_free(client));
}

static void client_talks(void)
{
    chat_client_options options;
    CHECK_OK(chat_client_options_init(&options, sizeof options));
    options.account = "ann";
    options.password = PASSWORD;
    options.server = server;
    chat_client *client;
    CHECK_OK(chat_client_new(&options, &client));
    client_connect(client);
    uint64_t request;
    CHECK_OK(chat_client_send(client, "lobby", "hi", NULL, &request));
    CHECK_OK(status_of(reply_to(client, request)));
    CHECK_OK(chat_client_free(client));
}

static void server_comes_and_goes(void)
{
    chat_server *other = server_in(NULL, "127.0.0.1:0");
    CHECK_OK(chat_server_free(other));
}

/* A server with somebody on it. */
static void server_is_left(void)
{
    chat_server *before = server;
    server = server_in(NULL, NULL);
    chat_client *client;
    chat_client_options options;
    CHECK_OK(chat_client_options_init(&options, sizeof options));
    options.account = "ann";
    options.password = PASSWORD;
    options.server = server;
    options.register_account = 1;
    CHECK_OK(chat_client_new(&options, &client));
    client_connect(client);
    CHECK_OK(chat_server_free(server));
    CHECK_OK(chat_client_free(client));
    server = before;
}

static void stays_flat(const char *name, void (*turn)(void), int turns, long most_kib)
{
    for (int i = 0; i < turns / 4 + 20; i++)
        turn();
    long before = resident_kib();
    int open = descriptors();
    for (int i = 0; i < turns; i++)
        turn();
    long grown = resident_kib() - before;
    /* The last of them may still be closing what it had. */
    for (int i = 0; i < 1000 && descriptors() > open + 2; i++)
        poll(NULL, 0, 10);
    fprintf(stderr, "%s: %d times, %ld KiB more, %d descriptors more\n", name, turns, grown,
            descriptors() - open);
    /* Sanitizers keep what is freed for a while; they look for leaks themselves. */
    CHECK(getenv("CHAT_SANITIZED") || grown < most_kib);
    CHECK(descriptors() <= open + 2);
}

int main(void)
{
    int many = getenv("CHAT_LONG") ? 10000 : 2000;
    server = server_new();
    uint64_t request;
    CHECK_OK(chat_server_add_account(server, "ann", PASSWORD, CHAT_RIGHTS_USER, &request));
    CHECK_OK(status_of(server_reply(server, request)));
    stays_flat("clients", client_comes_and_goes, many, 1024);
    stays_flat("servers", server_comes_and_goes, many / 10, 1024);
    stays_flat("servers with somebody", server_is_left, many / 100, 1024);
    stays_flat("clients that talk", client_talks, many / 40, 1024);
    CHECK_OK(chat_server_free(server));
    return 0;
}
