/* The first contact with a server waits until somebody decides; a key that changed is never accepted. */
#include "check.h"

int main(void)
{
    chat_server *server = server_new();
    char folder[256], hosts[300], address[64], fingerprint[64];
    new_folder(folder, sizeof folder);
    snprintf(hosts, sizeof hosts, "%s/known_hosts", folder);
    snprintf(address, sizeof address, "%s", chat_server_address(server, 0));
    snprintf(fingerprint, sizeof fingerprint, "%s", chat_server_fingerprint(server));

    chat_client_options options = client_options(server, "ann");
    options.address = address;
    options.fingerprint = NULL; /* CHAT_TRUST_ASK is the default */
    options.known_hosts = hosts;
    chat_client *client;
    CHECK_OK(chat_client_new(&options, &client));
    CHECK_IS(chat_client_trust(client, fingerprint), CHAT_MISUSE);
    uint64_t request;
    CHECK_OK(chat_client_connect(client, &request));
    chat_event *event = next(client);
    CHECK(chat_event_get_type(event) == CHAT_EVENT_SERVER_KEY);
    CHECK_TEXT(chat_event_fingerprint(event), fingerprint);
    CHECK_TEXT(chat_event_known_fingerprint(event), "");
    CHECK_OK(chat_event_free(event));
    CHECK_IS(chat_client_trust(client, "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), CHAT_WRONG_KEY);
    CHECK_OK(chat_client_trust(client, fingerprint));
    CHECK_OK(status_of(reply_to(client, request)));
    CHECK_OK(chat_client_close(client, 5000));
    CHECK_OK(chat_client_free(client));

    /* It is remembered. */
    options.register_account = 0;
    CHECK_OK(chat_client_new(&options, &client));
    client_connect(client);
    CHECK_OK(chat_client_free(client));

    /* Another server comes to live at the same address. */
    CHECK_OK(chat_server_stop(server));
    CHECK_OK(chat_server_free(server));
    server = server_in(NULL, address);
    for (uint32_t trust = CHAT_TRUST_ASK; trust <= CHAT_TRUST_ACCEPT_NEW; trust++) {
        options.trust = trust;
        CHECK_OK(chat_client_new(&options, &client));
        CHECK_OK(chat_client_connect(client, &request));
        CHECK_IS(status_of(reply_to(client, request)), CHAT_WRONG_KEY);
        event = next(client);
        CHECK(chat_event_get_type(event) == CHAT_EVENT_CLOSED);
        CHECK_TEXT(chat_event_fingerprint(event), chat_server_fingerprint(server));
        CHECK_TEXT(chat_event_known_fingerprint(event), fingerprint);
        CHECK_OK(chat_event_free(event));
        CHECK_OK(chat_client_free(client));
    }

    /* The first key of a server is accepted, by who says so. */
    options.known_hosts = NULL;
    options.trust = CHAT_TRUST_ACCEPT_NEW;
    options.register_account = 1;
    CHECK_OK(chat_client_new(&options, &client));
    client_connect(client);
    CHECK_OK(chat_client_free(client));
    CHECK_OK(chat_server_free(server));
    return 0;
}
