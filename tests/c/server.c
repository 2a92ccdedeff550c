/* A server inside of the program: accounts, invites, lists, sockets of the host's, links in memory, backup. */
#include "check.h"

#include <sys/socket.h>

static const chat_event *item(const chat_event *reply, uint32_t index)
{
    const chat_event *found = NULL;
    CHECK_OK(chat_event_item(reply, index, &found));
    return found;
}

#define DONE(server, call)                                                                             \
    do {                                                                                               \
        uint64_t number_, *request = &number_;                                                         \
        CHECK_OK(call);                                                                                \
        CHECK_OK(status_of(server_reply(server, number_)));                                            \
    } while (0)

int main(void)
{
    char folder[256], copy[300];
    new_folder(folder, sizeof folder);
    snprintf(copy, sizeof copy, "%s/copy", folder);
    chat_server_options options;
    CHECK_OK(chat_server_options_init(&options, sizeof options));
    const char *listen[] = {"127.0.0.1:0", "127.0.0.1:0"};
    options.listen = listen;
    options.listen_count = 2;
    options.data = folder;
    chat_server *server, *none = NULL;
    CHECK_OK(chat_server_new(&options, &server));
    CHECK_OK(chat_server_start(server));
    CHECK_OK(chat_server_start(server));
    CHECK(strncmp(chat_server_address(server, 1), "127.0.0.1:", 10) == 0);
    CHECK(strcmp(chat_server_address(server, 0), chat_server_address(server, 1)) != 0);
    CHECK_TEXT(chat_server_address(server, 2), "");
    CHECK_IS(chat_server_new(&options, &none), CHAT_BUSY);
    options.data = NULL;
    listen[0] = chat_server_address(server, 0);
    CHECK_IS(chat_server_new(&options, &none), CHAT_LOCAL);
    CHECK(strstr(chat_last_error(), "in use"));
    listen[0] = "nonsense";
    CHECK(chat_server_new(&options, &none) != CHAT_OK);
    listen[0] = NULL;
    CHECK_IS(chat_server_new(&options, &none), CHAT_INVALID);
    options.listen_count = 1000;
    CHECK_IS(chat_server_new(&options, &none), CHAT_INVALID);
    options.listen = NULL;
    options.listen_count = 0;
    options.registration = 7;
    CHECK_IS(chat_server_new(&options, &none), CHAT_INVALID);
    CHECK(none == NULL);

    /* Accounts. */
    uint64_t number;
    DONE(server, chat_server_add_account(server, "ann", PASSWORD, CHAT_RIGHTS_ADMIN, request));
    DONE(server, chat_server_add_account(server, "bob", NULL, CHAT_RIGHTS_USER, request));
    CHECK_OK(chat_server_add_account(server, "ann", NULL, CHAT_RIGHTS_USER, &number));
    CHECK_IS(status_of(server_reply(server, number)), CHAT_REFUSED_NAME_TAKEN);
    CHECK_IS(chat_server_add_account(server, "cid", NULL, 9, &number), CHAT_INVALID);
    DONE(server, chat_server_set_password(server, "bob", PASSWORD, request));
    DONE(server, chat_server_set_rights(server, "ann", CHAT_RIGHTS_USER, request));
    DONE(server, chat_server_add_account(server, "cid", NULL, CHAT_RIGHTS_USER, request));
    DONE(server, chat_server_remove_account(server, "cid", request));
    CHECK_OK(chat_server_accounts(server, NULL, &number));
    chat_event *event = server_reply(server, number);
    CHECK(chat_event_item_count(event) == 2);
    CHECK_TEXT(chat_event_account(item(event, 0)), "ann");
    CHECK(chat_event_flags(item(event, 1)) == CHAT_FLAG_PASSWORD);
    char *json = chat_event_to_json(event);
    CHECK(strstr(json, "\"type\":\"accounts\"") && strstr(json, "\"bob\""));
    chat_string_free(json);
    CHECK_OK(chat_event_free(event));

    /* Over TCP with what the operator gave, or with an invite. */
    chat_client_options login = client_options(server, "bob");
    login.register_account = 0;
    chat_client *bob, *dan;
    CHECK_OK(chat_client_new(&login, &bob));
    client_connect(bob);
    CHECK_OK(chat_server_invite(server, 1, 3600, &number));
    event = server_reply(server, number);
    CHECK(chat_event_name_len(event) > 0);
    CHECK_OK(chat_client_options_init(&login, sizeof login));
    login.address = chat_event_text(event);
    login.account = "dan";
    login.password = PASSWORD;
    login.register_account = 1;
    CHECK_OK(chat_client_new(&login, &dan));
    CHECK_OK(chat_event_free(event));
    client_connect(dan);

    /* In memory: no address, no key to compare. */
    CHECK_OK(chat_client_options_init(&login, sizeof login));
    login.server = server;
    login.account = "ann";
    login.password = PASSWORD;
    chat_client *ann;
    CHECK_OK(chat_client_new(&login, &ann));
    client_connect(ann);
    CHECK_OK(chat_client_send(ann, "@bob", "from inside", NULL, &number));
    CHECK_OK(status_of(reply_to(ann, number)));
    event = next_of(bob, CHAT_EVENT_MESSAGE);
    CHECK_TEXT(chat_event_text(event), "from inside");
    CHECK_OK(chat_event_free(event));
    login.address = "127.0.0.1:1";
    chat_client *both = NULL;
    CHECK_IS(chat_client_new(&login, &both), CHAT_BAD_ADDRESS);

    /* A socket that the host made: what is no protocol is told so and ends. */
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK_OK(chat_server_serve_fd(server, pair[1]));
    CHECK(write(pair[0], "GET / HTTP/1.1\r\n\r\n", 18) == 18);
    char byte;
    while (read(pair[0], &byte, 1) > 0)
        continue;
    close(pair[0]);
    CHECK_IS(chat_server_serve_fd(server, -1), CHAT_INVALID);
    CHECK_IS(chat_server_serve_fd(server, 0x7fffff), CHAT_INVALID);
    CHECK(pipe(pair) == 0);
    CHECK_IS(chat_server_serve_fd(server, pair[0]), CHAT_INVALID);
    close(pair[0]), close(pair[1]);

    /* Looking around, and moderating. */
    CHECK_OK(chat_server_rooms(server, NULL, &number));
    event = server_reply(server, number);
    CHECK(chat_event_item_count(event) == 1);
    CHECK_TEXT(chat_event_place(item(event, 0)), "lobby");
    CHECK_OK(chat_event_free(event));
    CHECK_OK(chat_server_members(server, "lobby", NULL, &number));
    event = server_reply(server, number);
    CHECK(chat_event_item_count(event) == 3);
    CHECK_OK(chat_event_free(event));
    CHECK_OK(chat_server_members(server, "nowhere", NULL, &number));
    CHECK_IS(status_of(server_reply(server, number)), CHAT_REFUSED_NO_SUCH_ROOM);
    DONE(server, chat_server_mute(server, "lobby", "bob", 60, request));
    CHECK_OK(chat_client_send(bob, "lobby", "may I?", NULL, &number));
    CHECK_IS(status_of(reply_to(bob, number)), CHAT_REFUSED_MUTED);
    DONE(server, chat_server_unmute(server, "lobby", "bob", request));
    DONE(server, chat_server_role(server, "lobby", "bob", CHAT_ROLE_OWNER, request));
    DONE(server, chat_server_kick(server, "lobby", "bob", request));
    CHECK_OK(chat_server_kick(server, "lobby", "bob", &number));
    CHECK_IS(status_of(server_reply(server, number)), CHAT_REFUSED_NOT_A_MEMBER);
    DONE(server, chat_server_ban(server, "lobby", "bob", request));
    CHECK_OK(chat_client_join(bob, "lobby", &number));
    CHECK_IS(status_of(reply_to(bob, number)), CHAT_REFUSED_BANNED);
    DONE(server, chat_server_unban(server, "lobby", "bob", request));
    CHECK_OK(chat_client_join(bob, "lobby", &number));
    CHECK_OK(status_of(reply_to(bob, number)));
    event = next_of(dan, CHAT_EVENT_MEMBER); /* those of joining come first */
    while (chat_event_change(event) != CHAT_CHANGE_MUTED) {
        CHECK_OK(chat_event_free(event));
        event = next_of(dan, CHAT_EVENT_MEMBER);
    }
    CHECK_TEXT(chat_event_from(event), "server");
    CHECK_TEXT(chat_event_account(event), "bob");
    CHECK_OK(chat_event_free(event));
    CHECK_OK(chat_server_kick(server, "nowhere", "bob", &number));
    CHECK_IS(status_of(server_reply(server, number)), CHAT_REFUSED_NO_SUCH_ROOM);
    CHECK_IS(chat_server_add_account(server, "server", NULL, CHAT_RIGHTS_USER, &number), CHAT_BAD_NAME);
    chat_server_stats stats;
    CHECK_OK(chat_server_stats_init(&stats, sizeof stats));
    CHECK_OK(chat_server_get_stats(server, &stats));
    CHECK(stats.accounts == 4 && stats.rooms == 1 && stats.links == 3 && stats.entries >= 4);
    CHECK(stats.size == sizeof stats);
    stats.size = 24; /* an older program knows two fields only */
    stats.links = 77;
    CHECK_OK(chat_server_get_stats(server, &stats));
    CHECK(stats.links == 77 && stats.accounts == 4);

    /* Who may register is changed while it runs. */
    login = client_options(server, "eve");
    chat_client *eve;
    CHECK_OK(chat_client_new(&login, &eve));
    CHECK_OK(chat_client_connect(eve, &number));
    CHECK_IS(status_of(reply_to(eve, number)), CHAT_REFUSED_INVITE_REQUIRED);
    CHECK_OK(chat_client_free(eve));
    DONE(server, chat_server_set_registration(server, CHAT_REGISTRATION_OPEN, request));
    CHECK_OK(chat_client_new(&login, &eve));
    client_connect(eve);

    DONE(server, chat_server_backup(server, copy, request));
    CHECK(access(copy, R_OK) == 0);
    CHECK_OK(chat_server_backup(server, copy, &number));
    CHECK_IS(status_of(server_reply(server, number)), CHAT_LOCAL);

    /* The end: clients hear of it, the last event is CLOSED, nothing is taken any more. */
    char fingerprint[64];
    snprintf(fingerprint, sizeof fingerprint, "%s", chat_server_fingerprint(server));
    CHECK_OK(chat_server_stop(server));
    CHECK_OK(chat_server_stop(server));
    CHECK_OK(chat_server_next_event(server, 0, &event));
    CHECK(chat_event_get_type(event) == CHAT_EVENT_CLOSED);
    CHECK_OK(chat_event_free(event));
    CHECK_IS(chat_server_next_event(server, -1, &event), CHAT_CLOSED);
    CHECK_IS(chat_server_accounts(server, NULL, NULL), CHAT_CLOSED);
    CHECK_IS(chat_server_start(server), CHAT_CLOSED);
    event = next_of(bob, CHAT_EVENT_RECONNECTING);
    CHECK_OK(chat_event_free(event));
    CHECK_OK(chat_client_free(bob));
    CHECK_OK(chat_client_free(ann));
    CHECK_OK(chat_client_free(dan));
    CHECK_OK(chat_client_free(eve));
    CHECK_OK(chat_server_free(server));

    /* Its folder makes the same server again, also one that never started. */
    CHECK_OK(chat_server_options_init(&options, sizeof options));
    options.data = folder;
    CHECK_OK(chat_server_new(&options, &server));
    CHECK_TEXT(chat_server_fingerprint(server), fingerprint);
    CHECK_OK(chat_server_free(server));
    CHECK_OK(chat_server_new(NULL, &server));
    CHECK_OK(chat_server_free(server));
    CHECK_IS(chat_server_free(server), CHAT_BAD_HANDLE);
    CHECK_OK(chat_server_free(NULL));
    return 0;
}
