/* A chat server inside of a program, a game for example, and the program's own client in it.
 *
 *   gcc embedded_server.c -o embedded_server $(pkg-config --cflags --libs chat)
 *   ./embedded_server
 *
 * Others come in over TCP at the link that it prints. It ends when somebody says "shut down".
 */

#include <chat.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "printable.h"

/* A plugin of the program: refuses what is all in capitals. */
static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    if (event->text == NULL || strpbrk(event->text, "abcdefghijklmnopqrstuvwxyz")
        || !strpbrk(event->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        return CHAT_PASS;
    host->set_reason(host, event, "no need to shout");
    return CHAT_REJECT;
}

static chat_status begin(const chat_host *host, void **self)
{
    (void)self;
    return host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
}

CHAT_PLUGIN_DECLARE("org.example.calm", "Calm", "1.0", "MIT", CHAT_CAP_READ_TEXT | CHAT_CAP_REJECT, begin, NULL);

static int start_server(chat_server **server)
{
    const char *listen[] = {"127.0.0.1:0"}; /* port 0: any that is free */
    chat_server_options options;

    chat_server_options_init(&options, sizeof options);
    options.listen = listen;
    options.listen_count = 1;
    options.registration = CHAT_REGISTRATION_OPEN;
    /* Without options.data everything is in memory, and gone with the program. */
    if (chat_server_new(&options, server) != CHAT_OK
        || chat_server_add_plugin(*server, &chat_plugin_v1, NULL) != CHAT_OK
        || chat_server_start(*server) != CHAT_OK) {
        fprintf(stderr, "embedded_server: %s\n", chat_last_error());
        return -1;
    }
    return 0;
}

static int start_client(chat_server *server, chat_client **client)
{
    chat_client_options options;

    chat_client_options_init(&options, sizeof options);
    options.server = server; /* in memory: no socket, no port */
    options.account = "host";
    options.password = "nobody else is the host";
    options.register_account = 1;
    options.fingerprint = chat_server_fingerprint(server);
    if (chat_client_new(&options, client) != CHAT_OK || chat_client_connect(*client, NULL) != CHAT_OK) {
        fprintf(stderr, "embedded_server: %s\n", chat_last_error());
        return -1;
    }
    return 0;
}

static void welcome(chat_client *client, const char *who)
{
    char text[128];

    if (strcmp(who, chat_client_account(client)) == 0)
        return;
    snprintf(text, sizeof text, "welcome, %s", who);
    if (chat_client_send(client, "lobby", text, NULL, NULL) != CHAT_OK)
        fprintf(stderr, "embedded_server: %s\n", chat_last_error());
}

static void print_stats(chat_server *server)
{
    chat_server_stats stats;

    chat_server_stats_init(&stats, sizeof stats);
    if (chat_server_get_stats(server, &stats) == CHAT_OK)
        printf("%" PRIu64 " accounts, %" PRIu64 " entries\n", stats.accounts, stats.entries);
}

int main(void)
{
    chat_server *server = NULL;
    chat_client *client = NULL;
    chat_event *event;
    int result = 1;

    if (start_server(&server) != 0 || start_client(server, &client) != 0)
        goto end;

    /* A real host has a loop of its own, and takes events there: see game_sdl2.c. */
    while (chat_client_next_event(client, -1, &event) == CHAT_OK) {
        if (chat_event_get_type(event) == CHAT_EVENT_CONNECTED) {
            printf("chat://%s?fp=%s\n", chat_server_address(server, 0), chat_server_fingerprint(server));
            fflush(stdout);
        } else if (chat_event_get_type(event) == CHAT_EVENT_MEMBER
                   && chat_event_change(event) == CHAT_CHANGE_JOINED) {
            welcome(client, chat_event_account(event));
        } else if (chat_event_get_type(event) == CHAT_EVENT_MESSAGE) {
            printf("<%s> %s\n", chat_event_from(event), printable(chat_event_text(event)));
            fflush(stdout);
            if (strcmp(chat_event_text(event), "shut down") == 0) {
                print_stats(server);
                result = 0;
                chat_client_close(client, 1000);
            }
        } else if (chat_event_status(event) != CHAT_OK && result != 0) {
            fprintf(stderr, "embedded_server: %s\n", chat_event_message(event));
        }
        chat_event_free(event);
    }

end:
    chat_client_free(client);
    /* Everybody who is still there is told good bye. */
    chat_server_free(server);
    return result;
}
