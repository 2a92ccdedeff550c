/* A durable outbox: what was not sent is PENDING at the end, goes out at the next start, and is one entry
 * however often the same id is sent. */
#include "check.h"

static chat_client *open_profile(chat_server *server, const char *address, const char *folder)
{
    chat_client_options options = client_options(server, "ann");
    options.address = address;
    options.profile = folder;
    options.patient = 1;
    options.longest_pause_ms = 50;
    chat_client *client;
    CHECK_OK(chat_client_new(&options, &client));
    return client;
}

int main(void)
{
    chat_server *server = server_new();
    char folder[256], address[64];
    new_folder(folder, sizeof folder);
    snprintf(address, sizeof address, "%s", chat_server_address(server, 0));
    uint8_t id[16], other[16];
    CHECK_OK(chat_new_send_id(id));
    CHECK_OK(chat_new_send_id(other));
    CHECK(memcmp(id, other, 16) != 0);
    chat_send_options options;
    CHECK_OK(chat_send_options_init(&options, sizeof options));
    options.send_id = id;
    options.send_id_len = sizeof id;
    options.label = "mine";

    /* Offline: nobody listens at port 1. The second send is taken back, the third never leaves memory. */
    chat_client *client = open_profile(server, "127.0.0.1:1", folder);
    CHECK_OK(chat_client_connect(client, NULL));
    uint64_t kept, taken, number;
    CHECK_OK(chat_client_send(client, "lobby", "hello", &options, &kept));
    CHECK_OK(chat_event_free(next_of(client, CHAT_EVENT_QUEUED)));
    CHECK_OK(chat_client_send(client, "lobby", "oops", NULL, &taken));
    CHECK(chat_client_open_requests(client) == 3); /* connecting is one */
    CHECK_OK(chat_client_cancel(client, taken));
    chat_event *reply = reply_to(client, taken);
    CHECK_IS(chat_event_status(reply), CHAT_CANCELED);
    CHECK_OK(chat_event_free(reply));
    CHECK_IS(chat_client_cancel(client, taken), CHAT_NOT_FOUND);
    /* A request that can't be asked is given up. */
    CHECK_OK(chat_client_rooms(client, NULL, &number));
    CHECK_OK(chat_client_cancel(client, number));
    CHECK_IS(status_of(reply_to(client, number)), CHAT_CANCELED);
    CHECK_OK(chat_client_outbox(client, &number));
    reply = reply_to(client, number);
    CHECK(chat_event_item_count(reply) == 1);
    const chat_event *item;
    CHECK_OK(chat_event_item(reply, 0, &item));
    CHECK(memcmp(chat_event_send_id(item), id, 16) == 0);
    CHECK_TEXT(chat_event_label(item), "mine");
    CHECK_IS(chat_event_status(item), CHAT_PENDING);
    CHECK_OK(chat_event_free(reply));
    CHECK_OK(chat_client_rooms(client, NULL, &number));
    CHECK_IS(chat_client_close(client, 100), CHAT_TIMEOUT);
    reply = reply_to(client, number);
    CHECK_IS(chat_event_status(reply), CHAT_CLOSED);
    CHECK_OK(chat_event_free(reply));
    reply = reply_to(client, kept);
    CHECK_IS(chat_event_status(reply), CHAT_PENDING);
    CHECK(memcmp(chat_event_send_id(reply), id, 16) == 0);
    CHECK_OK(chat_event_free(reply));
    drain(client);
    CHECK_OK(chat_client_free(client));

    /* The next run sends it, and the same id again is the same entry. */
    client = open_profile(server, address, folder);
    client_connect(client);
    chat_event *settled = next_of(client, CHAT_EVENT_SETTLED);
    CHECK_OK(chat_event_status(settled));
    CHECK(memcmp(chat_event_send_id(settled), id, 16) == 0);
    CHECK_TEXT(chat_event_label(settled), "mine");
    uint64_t seq = chat_event_seq(settled);
    CHECK_OK(chat_event_free(settled));
    CHECK_OK(chat_client_send(client, "lobby", "hello", &options, &number));
    reply = reply_to(client, number);
    CHECK_OK(chat_event_status(reply));
    CHECK(chat_event_seq(reply) == seq);
    CHECK_OK(chat_event_free(reply));
    CHECK_OK(chat_client_close(client, 5000));
    CHECK_OK(chat_client_free(client));

    /* Also in the run after that, which has not seen the answer. */
    client = open_profile(server, address, folder);
    client_connect(client);
    CHECK_OK(chat_client_send(client, "lobby", "hello", &options, &number));
    reply = reply_to(client, number);
    CHECK(chat_event_seq(reply) == seq);
    CHECK_OK(chat_event_free(reply));
    CHECK_OK(chat_client_cancel_send(client, other, sizeof other, &number));
    CHECK_IS(status_of(reply_to(client, number)), CHAT_REFUSED_NO_SUCH_ENTRY);
    CHECK_IS(chat_client_cancel_send(client, other, 15, NULL), CHAT_INVALID);
    CHECK_IS(chat_client_cancel_send(client, NULL, 16, NULL), CHAT_INVALID);
    CHECK_OK(chat_client_free(client));

    /* What is given to a client that never connects is in the outbox, too. */
    client = open_profile(server, address, folder);
    options.send_id = other;
    CHECK_OK(chat_client_send(client, "lobby", "later", &options, &number));
    CHECK_IS(chat_client_close(client, 5000), CHAT_TIMEOUT);
    reply = reply_to(client, number);
    CHECK_IS(chat_event_status(reply), CHAT_PENDING);
    CHECK_OK(chat_event_free(reply));
    CHECK_OK(chat_client_free(client));
    client = open_profile(server, address, folder);
    client_connect(client);
    settled = next_of(client, CHAT_EVENT_SETTLED);
    CHECK(memcmp(chat_event_send_id(settled), other, 16) == 0);
    CHECK_OK(chat_event_free(settled));
    CHECK_OK(chat_client_free(client));

    /* Without a profile nothing is kept: it is CLOSED, and the caller may send it again. A request has a
     * time-out, a send has none. */
    chat_client_options plain = client_options(server, "ann");
    plain.address = "127.0.0.1:1";
    plain.patient = 1;
    plain.request_timeout_ms = 20;
    CHECK_OK(chat_client_new(&plain, &client));
    CHECK_OK(chat_client_connect(client, NULL));
    CHECK_OK(chat_client_send(client, "lobby", "lost", NULL, &kept));
    CHECK_OK(chat_client_rooms(client, NULL, &number));
    CHECK_IS(status_of(reply_to(client, number)), CHAT_TIMEOUT);
    CHECK_IS(chat_client_close(client, 0), CHAT_TIMEOUT);
    CHECK_IS(status_of(reply_to(client, kept)), CHAT_CLOSED);
    drain(client);
    CHECK_OK(chat_client_free(client));
    CHECK_OK(chat_server_free(server));
    return 0;
}
