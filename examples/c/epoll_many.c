/* A hundred clients in one thread: one epoll set waits for all of them. The library starts no thread per
 * client either; all its handles share the same four.
 *
 *   gcc epoll_many.c -o epoll_many $(pkg-config --cflags --libs chat)
 *   CHAT_PASSWORD='correct horse battery' ./epoll_many '127.0.0.1:7878' SHA256:... 100
 *
 * Each comes in under a name of its own; when all are there each says one thing; it ends when each of
 * them has heard all.
 */

#include <chat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MOST 1000

struct member {
    chat_client *client;
    unsigned heard;
};

static struct member members[MOST];
static unsigned wanted;  /* how many members there are to be */
static unsigned present; /* how many of them are connected */
static unsigned content; /* how many of them have heard everybody */

static int come_in(struct member *member, unsigned number, char **argv, int epoll)
{
    chat_client_options options;
    struct epoll_event interest;
    char name[32];

    snprintf(name, sizeof name, "member%u", number);
    chat_client_options_init(&options, sizeof options);
    options.address = argv[1];
    options.fingerprint = argv[2];
    options.account = name; /* everything is copied before chat_client_new returns */
    options.password = getenv("CHAT_PASSWORD");
    options.register_account = 1;
    if (chat_client_new(&options, &member->client) != CHAT_OK
        || chat_client_connect(member->client, NULL) != CHAT_OK) {
        fprintf(stderr, "epoll_many: %s: %s\n", name, chat_last_error());
        return -1;
    }
    memset(&interest, 0, sizeof interest);
    interest.events = EPOLLIN;
    interest.data.ptr = member;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, chat_client_fd(member->client), &interest) != 0) {
        perror("epoll_many: epoll_ctl");
        return -1;
    }
    return 0;
}

static void say_hello(void)
{
    for (unsigned number = 0; number < wanted; number++) {
        if (chat_client_send(members[number].client, "lobby", "hello", NULL, NULL) != CHAT_OK)
            fprintf(stderr, "epoll_many: %s\n", chat_last_error());
    }
}

/* Takes the events of one member. Returns -1 when something went wrong. */
static int take_events(struct member *member)
{
    chat_event *event;

    while (chat_client_next_event(member->client, 0, &event) == CHAT_OK && event != NULL) {
        int failed = 0;
        switch (chat_event_get_type(event)) {
        case CHAT_EVENT_CONNECTED:
            if (++present == wanted)
                say_hello();
            break;
        case CHAT_EVENT_MESSAGE: /* in order and once: counting is enough */
            if (++member->heard == wanted)
                content++;
            break;
        case CHAT_EVENT_REPLY:
        case CHAT_EVENT_CLOSED:
            failed = chat_event_status(event) != CHAT_OK;
            break;
        default:
            break;
        }
        if (failed)
            fprintf(stderr, "epoll_many: %s: %s\n", chat_client_account(member->client),
                    chat_event_message(event));
        chat_event_free(event);
        if (failed)
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct epoll_event ready[64];
    int result = 1;
    int epoll;

    if (argc != 4 || (wanted = (unsigned)strtoul(argv[3], NULL, 10)) == 0 || wanted > MOST) {
        fprintf(stderr, "usage: epoll_many HOST:PORT FINGERPRINT COUNT\n");
        return 2;
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) {
        perror("epoll_many: epoll_create1");
        return 1;
    }
    for (unsigned number = 0; number < wanted; number++) {
        if (come_in(&members[number], number, argv, epoll) != 0)
            goto end;
    }
    while (content < wanted) {
        int count = epoll_wait(epoll, ready, 64, -1);
        for (int index = 0; index < count; index++) {
            if (take_events(ready[index].data.ptr) != 0)
                goto end;
        }
    }
    printf("%u members have heard %u messages each\n", wanted, wanted);
    result = 0;

end:
    /* The descriptor of a client is gone with it; epoll forgets it by itself. */
    for (unsigned number = 0; number < wanted; number++)
        chat_client_free(members[number].client);
    close(epoll);
    return result;
}
