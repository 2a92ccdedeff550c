/* A chat in a terminal: lines that are typed go to a room, what is said there is printed. One thread
 * waits for both the keyboard and the chat, with poll().
 *
 *   gcc poll_loop.c -o poll_loop $(pkg-config --cflags --libs chat)
 *   CHAT_PASSWORD='correct horse battery' ./poll_loop 'chat://ann@127.0.0.1:7878?fp=SHA256:...' ann.profile lobby
 */

#include <chat.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "printable.h"

static const char *room;

static void show(const chat_event *event)
{
    switch (chat_event_get_type(event)) {
    case CHAT_EVENT_CONNECTED:
        printf("* here as %s\n", chat_event_account(event));
        break;
    case CHAT_EVENT_MESSAGE:
        printf("%s <%s> %s\n", chat_event_place(event), chat_event_from(event),
               printable(chat_event_text(event)));
        break;
    case CHAT_EVENT_MEMBER:
        if (chat_event_change(event) == CHAT_CHANGE_JOINED)
            printf("%s * %s came in\n", chat_event_place(event), chat_event_account(event));
        break;
    case CHAT_EVENT_RECONNECTING:
        printf("* the connection is gone (%s); trying again\n", chat_event_message(event));
        break;
    case CHAT_EVENT_REPLY:
    case CHAT_EVENT_CLOSED:
        if (chat_event_status(event) != CHAT_OK && chat_event_status(event) != CHAT_CLOSED)
            printf("* %s\n", chat_event_message(event));
        break;
    default:
        break;
    }
    fflush(stdout);
}

/* Takes all events that are there, without waiting. Returns 0 after the last one. */
static int take_events(chat_client *client)
{
    chat_event *event;
    chat_status status;

    while ((status = chat_client_next_event(client, 0, &event)) == CHAT_OK && event != NULL) {
        show(event);
        chat_event_free(event);
    }
    return status == CHAT_OK;
}

static void say(chat_client *client, const char *line)
{
    if (line[0] != '\0' && chat_client_send(client, room, line, NULL, NULL) != CHAT_OK)
        printf("* %s\n", chat_last_error());
}

/* Reads what was typed and says each whole line. Returns 0 at the end of the input.
 *
 * Not with fgets: stdio may keep a second line in its buffer, and poll() knows nothing of it. */
static int read_lines(chat_client *client)
{
    static char buffer[4096];
    static size_t used;
    char *line = buffer, *end;
    ssize_t got = read(STDIN_FILENO, buffer + used, sizeof buffer - 1 - used);

    if (got <= 0) { /* the last line may have no end */
        buffer[used] = '\0';
        say(client, buffer);
        return 0;
    }
    used += (size_t)got;
    buffer[used] = '\0';
    while ((end = strchr(line, '\n')) != NULL) {
        *end = '\0';
        say(client, line);
        line = end + 1;
    }
    used -= (size_t)(line - buffer);
    memmove(buffer, line, used);
    if (used == sizeof buffer - 1) { /* a line as long as the buffer is said in pieces */
        buffer[used] = '\0';
        say(client, buffer);
        used = 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    chat_client_options options;
    chat_client *client = NULL;
    struct pollfd wait_for[2];

    if (argc != 4) {
        fprintf(stderr, "usage: poll_loop LINK PROFILE ROOM\n");
        return 2;
    }
    room = argv[3];
    chat_client_options_init(&options, sizeof options);
    options.address = argv[1];
    options.profile = argv[2];
    options.password = getenv("CHAT_PASSWORD");
    options.register_account = 1;
    options.trust = CHAT_TRUST_ACCEPT_NEW;
    if (chat_client_new(&options, &client) != CHAT_OK
        || chat_client_connect(client, NULL) != CHAT_OK
        || chat_client_join(client, room, NULL) != CHAT_OK) {
        fprintf(stderr, "poll_loop: %s\n", chat_last_error());
        chat_client_free(client);
        return 1;
    }

    wait_for[0].fd = chat_client_fd(client); /* readable while events wait; we never read it ourselves */
    wait_for[0].events = POLLIN;
    wait_for[1].fd = STDIN_FILENO;
    wait_for[1].events = POLLIN;
    while (take_events(client)) {
        if (poll(wait_for, 2, -1) < 0)
            continue; /* a signal came in between */
        if (wait_for[1].revents != 0 && !read_lines(client)) {
            wait_for[1].fd = -1; /* poll() passes over it from now on */
            /* Leaves when everything that was typed is on the server, or after ten seconds. */
            chat_client_close(client, 10000);
        }
    }
    chat_client_free(client);
    return 0;
}
