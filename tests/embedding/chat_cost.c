/* What clients of libchat cost.
 *
 * usage: chat_cost ADDRESS FINGERPRINT CLIENTS             with throw-away keys and a password
 *        chat_cost ADDRESS FINGERPRINT CLIENTS PROFILES    with a profile each, in this folder; the first
 *                                                          run makes them, the second shows what a device
 *                                                          that is known takes
 */

#include <chat.h>

#include "cost.h"

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void wait_until_connected(chat_client *client)
{
    chat_event *event;
    int connected = 0;

    while (!connected) {
        if (chat_client_next_event(client, 20000, &event) != CHAT_OK || event == NULL)
            fail("not connected in time");
        if (chat_event_get_type(event) == CHAT_EVENT_CLOSED)
            fail(chat_event_message(event));
        connected = chat_event_get_type(event) == CHAT_EVENT_CONNECTED;
        chat_event_free(event);
    }
}

/* Takes what comes after the login, and waits this long for more. */
static void drain(chat_client *client, int32_t wait_ms)
{
    chat_event *event;

    while (chat_client_next_event(client, wait_ms, &event) == CHAT_OK && event != NULL)
        chat_event_free(event);
}

/* Clients are idle when nothing comes any more, and memory stays what it is: saves may still be written. */
static void wait_until_idle(chat_client **clients, int count)
{
    double began = now_ms();
    long before = 0;
    int same = 0;

    while (same < 20 && now_ms() - began < 20000) {
        long kib;
        for (int number = 0; number < count; number++)
            drain(clients[number], number == 0 ? 20 : 0);
        kib = private_kib();
        same = kib == before ? same + 1 : 0;
        before = kib;
    }
}

int main(int argc, char **argv)
{
    static chat_client *clients[MOST_CLIENTS];
    static double times[MOST_CLIENTS];
    int wanted = clients_wanted(argc, argv, 3);
    int threads_of_one = 0;
    long base = private_kib(), first = 0;

    for (int number = 0; number < wanted; number++) {
        chat_client_options options;
        char name[32], profile[512];
        double began = now_ms();

        snprintf(name, sizeof name, "%s%d", argc > 4 ? "kept" : "guest", number);
        chat_client_options_init(&options, sizeof options);
        options.address = argv[1];
        options.fingerprint = argv[2];
        options.account = name;
        options.password = "correct horse battery";
        options.register_account = 1;
        if (argc > 4) {
            snprintf(profile, sizeof profile, "%s/%d", argv[4], number);
            options.profile = profile;
        }
        if (chat_client_new(&options, &clients[number]) != CHAT_OK
            || chat_client_connect(clients[number], NULL) != CHAT_OK)
            fail(chat_last_error());
        wait_until_connected(clients[number]);
        times[number] = now_ms() - began;
        if (number == 0) {
            wait_until_idle(clients, 1);
            first = private_kib();
            threads_of_one = threads();
        }
        /* The others hear of each newcomer. */
        for (int other = 0; other <= number; other++)
            drain(clients[other], 0);
    }
    wait_until_idle(clients, wanted);
    report(times, wanted, base, first, threads_of_one);
    for (int number = 0; number < wanted; number++)
        chat_client_free(clients[number]);
    return 0;
}
