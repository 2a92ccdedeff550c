/* An application that does not take its events: nothing is lost, nothing grows without end, the link lives.
 *
 * valgrind: sealing twelve megabytes takes it so long that links look dead.
 */
#include "check.h"
#include "usage.h"

enum { MESSAGES = 6000, SIZE = 2000 };

int main(void)
{
    char folder[256], text[SIZE + 1];
    new_folder(folder, sizeof folder);
    chat_server *server = server_in(folder, "127.0.0.1:0");
    chat_client *ann = client_new(server, "ann");
    chat_client *bob = client_new(server, "bob");
    /* A new device starts with the newest entries: bob has to be there before there are many. */
    CHECK_OK(chat_client_send(ann, "lobby", "0", NULL, NULL));
    CHECK_OK(chat_event_free(next_of(bob, CHAT_EVENT_MESSAGE)));
    int messages = getenv("CHAT_FEWER") ? 600 : MESSAGES;

    /* Twelve megabytes, in steps, so that ann's own queue is taken. */
    long before = resident_kib();
    uint64_t last = 0;
    for (int sent = 0; sent < messages; sent++) {
        snprintf(text, sizeof text, "%d ", sent);
        memset(text + strlen(text), 'x', SIZE - strlen(text));
        text[SIZE] = 0;
        CHECK_OK(chat_client_send(ann, "lobby", text, NULL, &last));
        if (sent % 100 == 99)
            CHECK_OK(status_of(reply_to(ann, last)));
    }
    /* bob holds the server back by then: what he has not taken is on the server's disk and not here. */
    long grown = resident_kib() - before;
    fprintf(stderr, "grown by %ld KiB\n", grown);
    /* Sanitizers put red zones around everything, and keep what is freed. */
    CHECK(grown < (getenv("CHAT_SANITIZED") ? 128 : 64) * 1024);

    int next_one = 0;
    while (next_one < messages) {
        chat_event *event = next(bob);
        chat_event_type type = chat_event_get_type(event);
        if (type == CHAT_EVENT_GAP || type == CHAT_EVENT_RECONNECTING)
            fprintf(stderr, "%s\n", chat_event_to_json(event));
        CHECK(type != CHAT_EVENT_RECONNECTING && type != CHAT_EVENT_CLOSED && type != CHAT_EVENT_GAP);
        if (type == CHAT_EVENT_MESSAGE) {
            CHECK(atoi(chat_event_text(event)) == next_one);
            next_one++;
        }
        CHECK_OK(chat_event_free(event));
    }

    /* Each request has a place for its reply, or is not taken. */
    chat_status status = CHAT_OK;
    int taken = 0, replies = 0;
    while (taken < 10000 && (status = chat_client_presence(bob, CHAT_PRESENCE_ONLINE, NULL)) == CHAT_OK &&
           (status = chat_client_outbox(bob, NULL)) == CHAT_OK)
        taken++;
    CHECK_IS(status, CHAT_FULL);
    CHECK(taken > 3000 && taken <= 4096);
    chat_event *event;
    while (replies < taken) {
        event = next_of(bob, CHAT_EVENT_REPLY);
        CHECK_OK(chat_event_status(event));
        CHECK_OK(chat_event_free(event));
        replies++;
    }
    CHECK_OK(chat_client_outbox(bob, NULL));

    CHECK_OK(chat_client_free(ann));
    CHECK_OK(chat_client_free(bob));
    CHECK_OK(chat_server_free(server));
    return 0;
}
