/* What goes wrong when a client is made or connects, whose fault it is, and that it is told once. */
#include "check.h"

/* Connects and answers with what the reply, and then the last event, say. */
static chat_status refused(chat_client_options *options)
{
    chat_client *client;
    uint64_t request;
    CHECK_OK(chat_client_new(options, &client));
    CHECK_OK(chat_client_connect(client, &request));
    CHECK_IS(chat_client_connect(client, NULL), CHAT_MISUSE);
    chat_event *reply = reply_to(client, request);
    chat_status status = chat_event_status(reply);
    CHECK(status != CHAT_OK);
    CHECK(chat_event_message_len(reply) > 0 && chat_event_reason_len(reply) > 0);
    CHECK_OK(chat_event_free(reply));
    chat_event *last = next(client);
    CHECK(chat_event_get_type(last) == CHAT_EVENT_CLOSED);
    CHECK_IS(chat_event_status(last), status);
    char *json = chat_event_to_json(last);
    CHECK(strstr(json, "\"type\":\"bye\""));
    chat_string_free(json);
    CHECK_OK(chat_event_free(last));
    chat_event *none;
    CHECK_IS(chat_client_next_event(client, 0, &none), CHAT_CLOSED);
    CHECK_OK(chat_client_free(client));
    return status;
}

int main(void)
{
    chat_server *server = server_new();
    chat_client *ann = client_new(server, "ann");
    chat_client_options options = client_options(server, "ann");
    chat_client *none = NULL;
    CHECK_OK(chat_client_free(ann));

    /* The server says no. */
    options.register_account = 0;
    options.password = "something else";
    CHECK_IS(refused(&options), CHAT_REFUSED_LOGIN_FAILED);
    options.account = "nobody";
    CHECK_IS(refused(&options), CHAT_REFUSED_LOGIN_FAILED);
    options.register_account = 1;
    options.password = "short";
    CHECK_IS(refused(&options), CHAT_REFUSED_BAD_PASSWORD);
    options.password = PASSWORD;
    options.account = "ann";
    CHECK_IS(refused(&options), CHAT_REFUSED_NAME_TAKEN);

    /* It is another server than the one that is trusted. */
    options.fingerprint = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    CHECK_IS(refused(&options), CHAT_WRONG_KEY);

    /* Nobody is there: port 1 of this machine. */
    options = client_options(server, "ann");
    options.address = "127.0.0.1:1";
    CHECK_IS(refused(&options), CHAT_CANNOT_CONNECT);

    /* A patient one goes on trying. */
    options.patient = 1;
    options.longest_pause_ms = 10;
    CHECK_OK(chat_client_new(&options, &ann));
    CHECK_OK(chat_client_connect(ann, NULL));
    chat_event *event = next_of(ann, CHAT_EVENT_RECONNECTING);
    CHECK_IS(chat_event_status(event), CHAT_CANNOT_CONNECT);
    CHECK(chat_client_state(ann) == CHAT_STATE_RECONNECTING);
    CHECK_OK(chat_event_free(event));
    CHECK_OK(chat_client_free(ann));

    /* The caller is wrong: nothing is made, and the text says what. */
    options = client_options(server, "ann");
    CHECK_IS(chat_client_new(NULL, &none), CHAT_INVALID);
    CHECK_IS(chat_client_new(&options, NULL), CHAT_INVALID);
    options.account = NULL;
    CHECK_IS(chat_client_new(&options, &none), CHAT_INVALID);
    CHECK(strstr(chat_last_error(), "account"));
    options.account = "not a name";
    CHECK_IS(chat_client_new(&options, &none), CHAT_BAD_NAME);
    options.account = "ann";
    options.address = "chat://user:secret@host";
    CHECK_IS(chat_client_new(&options, &none), CHAT_BAD_ADDRESS);
    options.address = NULL;
    CHECK_IS(chat_client_new(&options, &none), CHAT_BAD_ADDRESS);
    options = client_options(server, "ann");
    options.fingerprint = "SHA256:short";
    CHECK_IS(chat_client_new(&options, &none), CHAT_BAD_ADDRESS);
    options = client_options(server, "ann");
    options.device = "\xc3\x28";
    CHECK_IS(chat_client_new(&options, &none), CHAT_BAD_UTF8);
    options = client_options(server, "ann");
    options.trust = 99;
    options.fingerprint = NULL;
    CHECK_IS(chat_client_new(&options, &none), CHAT_INVALID);
    options = client_options(server, "ann");
    options.reconnect = 2;
    CHECK_IS(chat_client_new(&options, &none), CHAT_INVALID);
    options.size = 3;
    CHECK_IS(chat_client_new(&options, &none), CHAT_BAD_OPTIONS);
    char name[2000];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = 0;
    options = client_options(server, name);
    CHECK_IS(chat_client_new(&options, &none), CHAT_TOO_LONG);
    CHECK(none == NULL);

    /* One field that this version does not know may be there, as long as it says nothing. */
    struct {
        chat_client_options today;
        uint64_t more;
    } later;
    CHECK_OK(chat_client_options_init(&later.today, sizeof later));
    CHECK(later.more == 0 && later.today.size == sizeof later);
    later.today.address = "127.0.0.1:1";
    later.today.account = "ann";
    CHECK_OK(chat_client_new(&later.today, &none));
    CHECK_OK(chat_client_free(none));
    later.more = 1;
    none = NULL;
    CHECK_IS(chat_client_new(&later.today, &none), CHAT_BAD_OPTIONS);

    /* A link says everything. */
    char link[512];
    snprintf(link, sizeof link, "chat://bob@%s/lobby?fp=%s", chat_server_address(server, 0),
             chat_server_fingerprint(server));
    CHECK_OK(chat_client_options_init(&options, sizeof options));
    options.address = link;
    options.password = PASSWORD;
    options.register_account = 1;
    CHECK_OK(chat_client_new(&options, &ann));
    client_connect(ann);
    CHECK_TEXT(chat_client_account(ann), "bob");
    CHECK_OK(chat_client_free(ann));

    /* A folder is one client's at a time, and the profile needs no password the second time. */
    char folder[256];
    new_folder(folder, sizeof folder);
    options = client_options(server, "cid");
    options.profile = folder;
    CHECK_OK(chat_client_new(&options, &ann));
    client_connect(ann);
    CHECK_IS(chat_client_new(&options, &none), CHAT_BUSY);
    char pid[32];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    CHECK(strstr(chat_last_error(), pid));
    CHECK(chat_status_retryable(CHAT_BUSY) == 1 && chat_status_retryable(CHAT_INVALID) == 0);
    CHECK_OK(chat_client_close(ann, 1000));
    CHECK_OK(chat_client_free(ann));
    options.register_account = 0;
    options.password = NULL;
    CHECK_OK(chat_client_new(&options, &ann));
    client_connect(ann);
    CHECK_OK(chat_client_free(ann));

    /* Statuses have names and sentences, also those of other versions. */
    CHECK_TEXT(chat_status_name(CHAT_REFUSED_MUTED), "CHAT_REFUSED_MUTED");
    CHECK_TEXT(chat_status_name(77777), "CHAT_UNKNOWN");
    CHECK(strlen(chat_status_message(77777)) > 0);
    CHECK(chat_version_number() == CHAT_VERSION_NUMBER);
    CHECK_TEXT(chat_version(), CHAT_VERSION);
    CHECK_OK(chat_server_free(server));
    return 0;
}
