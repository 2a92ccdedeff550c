/* A bot that repeats what it is told, in rooms and in direct conversations, until Ctrl-C.
 *
 *   gcc echo_bot.c -o echo_bot $(pkg-config --cflags --libs chat)
 *   CHAT_PASSWORD='correct horse battery' ./echo_bot 'chat://echo@127.0.0.1:7878?fp=SHA256:...' echo.profile
 *
 * Say "!echo something" in the lobby, or anything to @echo alone.
 */

#include <chat.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t stop;

/* A signal handler may do next to nothing. It must not call the library. */
static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void handle_message(chat_client *client, const chat_event *event)
{
    const char *text = chat_event_text(event);
    const char *place = chat_event_place(event);
    chat_send_options options;

    /* Our own words come back, too. Who answers them never stops. */
    if (strcmp(chat_event_from(event), chat_client_account(client)) == 0)
        return;
    if (strncmp(text, "!echo ", 6) == 0)
        text += 6;
    else if (place[0] != '@') /* a room, and not meant for us */
        return;

    chat_send_options_init(&options, sizeof options);
    options.reply_to = chat_event_seq(event);
    /* The place of the question is the place of the answer, room or person. */
    if (chat_client_send(client, place, text, &options, NULL) != CHAT_OK)
        fprintf(stderr, "echo_bot: %s\n", chat_last_error());
}

static void handle(chat_client *client, const chat_event *event)
{
    switch (chat_event_get_type(event)) {
    case CHAT_EVENT_CONNECTED:
        printf("here as %s\n", chat_client_account(client));
        break;
    case CHAT_EVENT_MESSAGE:
        handle_message(client, event);
        break;
    case CHAT_EVENT_REPLY: /* what became of something that we said */
    case CHAT_EVENT_RECONNECTING:
    case CHAT_EVENT_CLOSED:
        if (chat_event_status(event) != CHAT_OK && !stop)
            fprintf(stderr, "echo_bot: %s\n", chat_event_message(event));
        break;
    default: /* later versions may tell more */
        break;
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    chat_client_options options;
    chat_client *client = NULL;
    chat_event *event;

    if (argc != 3) {
        fprintf(stderr, "usage: echo_bot LINK PROFILE\n");
        return 2;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);

    chat_client_options_init(&options, sizeof options);
    options.address = argv[1];
    /* The profile keeps the bot's key, what it has said, and how far it has read. After a crash it goes
     * on where it was: nothing is left unanswered, and nothing is answered twice. */
    options.profile = argv[2];
    options.password = getenv("CHAT_PASSWORD");
    options.register_account = 1;
    options.trust = CHAT_TRUST_ACCEPT_NEW;
    options.patient = 1; /* a service waits for its server, also when it starts first */

    if (chat_client_new(&options, &client) != CHAT_OK
        || chat_client_connect(client, NULL) != CHAT_OK) {
        fprintf(stderr, "echo_bot: %s\n", chat_last_error());
        chat_client_free(client);
        return 1;
    }

    /* Twice a second it looks whether it is to stop. CHAT_CLOSED ends the loop after the last event. */
    while (chat_client_next_event(client, 500, &event) == CHAT_OK) {
        if (event != NULL) {
            handle(client, event);
            chat_event_free(event);
        }
        if (stop == 1) {
            stop = 2;
            /* Says what it still has to say, for up to two seconds, and good bye. */
            chat_client_close(client, 2000);
        }
    }
    chat_client_free(client);
    return stop ? 0 : 1;
}
