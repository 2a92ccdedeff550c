/* The smallest useful program: connects, says one thing in the lobby, and leaves when it is there.
 *
 *   gcc minimal.c -o minimal $(pkg-config --cflags --libs chat)
 *   CHAT_PASSWORD='correct horse battery' ./minimal 'chat://ann@127.0.0.1:7878?fp=SHA256:...' hello
 */

#include <chat.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    chat_client_options options;
    chat_client *client = NULL;
    chat_event *event;
    uint64_t request; /* the number of our question, by which we know its answer */
    int result = 1;

    if (argc != 3) {
        fprintf(stderr, "usage: minimal LINK TEXT\n");
        return 2;
    }

    chat_client_options_init(&options, sizeof options);
    options.address = argv[1];
    options.password = getenv("CHAT_PASSWORD"); /* on the command line everybody could read it */
    options.register_account = 1;               /* opens the account if there is none */
    options.profile = "minimal.profile";        /* a folder: who we are, for the next time */
    options.trust = CHAT_TRUST_ACCEPT_NEW;      /* a fingerprint in the link is stricter, and better */

    /* None of these waits for the network. What we say stays in the outbox until we are connected. */
    if (chat_client_new(&options, &client) != CHAT_OK
        || chat_client_send(client, "lobby", argv[2], NULL, &request) != CHAT_OK
        || chat_client_connect(client, NULL) != CHAT_OK) {
        fprintf(stderr, "minimal: %s\n", chat_last_error());
        chat_client_free(client); /* does nothing for NULL */
        return 1;
    }

    /* What becomes of it comes as events. -1 means: wait as long as it takes. */
    while (chat_client_next_event(client, -1, &event) == CHAT_OK) {
        if (chat_event_get_type(event) == CHAT_EVENT_REPLY && chat_event_request(event) == request
            && chat_event_status(event) == CHAT_OK) {
            printf("on the server as entry %" PRIu64 "\n", chat_event_seq(event));
            result = 0;
            /* The next_event that comes after the last one answers CHAT_CLOSED and ends the loop. */
            chat_client_close(client, 0);
        } else if (chat_event_status(event) != CHAT_OK && result != 0) {
            fprintf(stderr, "minimal: %s\n", chat_event_message(event));
        }
        chat_event_free(event);
    }
    chat_client_free(client);
    return result;
}
