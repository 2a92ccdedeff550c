/* A host program: a server that keeps everything in a folder, and a client of it. Prints what it said and
 * at which place. Compiled and linked in every way that the tests of packaging know of.
 *
 * -DHOST_HAS_SQLITE: the host defines functions of SQLite itself, which the library must not call.
 * -DHOST_LINKS_SQLITE: the host uses a SQLite of its own.
 * -DHOST_HAS_RUST: the host has another Rust library in it.
 */

#include <chat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HOST_HAS_SQLITE
#define REFUSE(name)                                                                                        \
    int name(void);                                                                                         \
    int name(void)                                                                                          \
    {                                                                                                       \
        fprintf(stderr, "the library called " #name " of its host\n");                                      \
        abort();                                                                                            \
    }
REFUSE(sqlite3_open)
REFUSE(sqlite3_open_v2)
REFUSE(sqlite3_prepare_v2)
REFUSE(sqlite3_prepare_v3)
REFUSE(sqlite3_step)
REFUSE(sqlite3_initialize)
REFUSE(sqlite3_libversion_number)
#endif

#ifdef HOST_LINKS_SQLITE
#include <sqlite3.h>
#endif

#ifdef HOST_HAS_RUST
/* Panics, catches it, and answers 42. */
int second_library(void);
#endif

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, chat_last_error());
    return 1;
}

int main(int argc, char **argv)
{
    chat_server_options server_options;
    chat_client_options options;
    chat_server *server = NULL;
    chat_client *client = NULL;
    chat_event *event;
    uint64_t request;
    int found = 0;

    if (argc != 2)
        return 2;
#ifdef HOST_LINKS_SQLITE
    printf("the host's SQLite is %s\n", sqlite3_libversion());
#endif
#ifdef HOST_HAS_RUST
    printf("the other library says %d\n", second_library());
#endif
    if (chat_version_number() < CHAT_VERSION_NUMBER)
        return fail("the library is older than the header");

    chat_server_options_init(&server_options, sizeof server_options);
    server_options.data = argv[1];
    server_options.registration = CHAT_REGISTRATION_OPEN;
    if (chat_server_new(&server_options, &server) != CHAT_OK || chat_server_start(server) != CHAT_OK)
        return fail("server");
    chat_client_options_init(&options, sizeof options);
    options.server = server;
    options.account = "probe";
    options.password = "correct horse battery";
    options.register_account = 1;
    options.fingerprint = chat_server_fingerprint(server);
    if (chat_client_new(&options, &client) != CHAT_OK || chat_client_connect(client, NULL) != CHAT_OK
        || chat_client_send(client, "lobby", "hello", NULL, &request) != CHAT_OK)
        return fail("client");
    while (!found && chat_client_next_event(client, 30000, &event) == CHAT_OK && event != NULL) {
        if (chat_event_get_type(event) == CHAT_EVENT_REPLY && chat_event_status(event) != CHAT_OK)
            fprintf(stderr, "%s\n", chat_event_message(event));
        found = chat_event_request(event) == request && chat_event_get_type(event) == CHAT_EVENT_REPLY
                && chat_event_status(event) == CHAT_OK;
        if (found)
            printf("chat %s said it at place %d\n", chat_version(), (int)chat_event_seq(event));
        chat_event_free(event);
    }
    chat_client_free(client);
    chat_server_free(server);
    return found ? 0 : 1;
}
