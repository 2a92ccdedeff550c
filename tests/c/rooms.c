/* Everything that is asked of a server: rooms, members, lists, history, search, receipts, devices. */
#include "check.h"

#define DO(client, call)                                                                               \
    do {                                                                                               \
        uint64_t request_;                                                                             \
        uint64_t *request = &request_;                                                                 \
        CHECK_OK(call);                                                                                \
        CHECK_OK(status_of(reply_to(client, request_)));                                               \
    } while (0)

#define REFUSED(client, call, status)                                                                  \
    do {                                                                                               \
        uint64_t request_;                                                                             \
        uint64_t *request = &request_;                                                                 \
        CHECK_OK(call);                                                                                \
        CHECK_IS(status_of(reply_to(client, request_)), status);                                       \
    } while (0)

/* The item of a list. */
static const chat_event *item(const chat_event *reply, uint32_t index)
{
    const chat_event *found = NULL;
    CHECK_OK(chat_event_item(reply, index, &found));
    CHECK(found != NULL);
    return found;
}

int main(void)
{
    chat_server *server = server_new();
    chat_client *ann = client_new(server, "ann");
    chat_client *bob = client_new(server, "bob");
    uint64_t number;

    /* A room of its own, by invite only. */
    DO(ann, chat_client_create(ann, "den", 0, CHAT_HISTORY_DEFAULT, request));
    REFUSED(bob, chat_client_create(bob, "den", 1, CHAT_HISTORY_ALL, request), CHAT_REFUSED_ROOM_EXISTS);
    CHECK_IS(chat_client_create(bob, "x", 1, 9, NULL), CHAT_INVALID);
    REFUSED(bob, chat_client_join(bob, "den", request), CHAT_REFUSED_NO_SUCH_ROOM);
    DO(ann, chat_client_invite(ann, "den", "bob", request));
    DO(bob, chat_client_join(bob, "den", request));
    chat_event *event = next_of(ann, CHAT_EVENT_MEMBER);
    while (strcmp(chat_event_account(event), "bob") != 0 || chat_event_change(event) != CHAT_CHANGE_JOINED) {
        CHECK_OK(chat_event_free(event));
        event = next_of(ann, CHAT_EVENT_MEMBER);
    }
    CHECK_TEXT(chat_event_place(event), "den");
    CHECK_OK(chat_event_free(event));
    DO(ann, chat_client_topic(ann, "den", "plans", NULL, request));
    event = next_of(bob, CHAT_EVENT_TOPIC);
    CHECK_TEXT(chat_event_text(event), "plans");
    CHECK_OK(chat_event_free(event));

    /* Moderation. */
    REFUSED(bob, chat_client_kick(bob, "den", "ann", request), CHAT_REFUSED_FORBIDDEN);
    DO(ann, chat_client_mute(ann, "den", "bob", 0, request));
    REFUSED(bob, chat_client_send(bob, "den", "hm", NULL, request), CHAT_REFUSED_MUTED);
    DO(ann, chat_client_unmute(ann, "den", "@bob", request));
    DO(ann, chat_client_role(ann, "den", "bob", CHAT_ROLE_MODERATOR, request));
    CHECK_IS(chat_client_role(ann, "den", "bob", 9, NULL), CHAT_INVALID);
    CHECK_OK(chat_client_members(ann, "den", NULL, &number));
    event = reply_to(ann, number);
    CHECK(chat_event_item_count(event) == 2);
    CHECK(chat_event_get_type(item(event, 1)) == CHAT_EVENT_ROOM_MEMBER);
    CHECK_TEXT(chat_event_account(item(event, 1)), "bob");
    CHECK(chat_event_role(item(event, 0)) == CHAT_ROLE_OWNER);
    CHECK(chat_event_role(item(event, 1)) == CHAT_ROLE_MODERATOR);
    CHECK(chat_event_presence(item(event, 1)) == CHAT_PRESENCE_ONLINE);
    CHECK(chat_event_flags(item(event, 1)) == 0);
    /* An item goes with its event, and has its part of the line. */
    const chat_event *second = item(event, 1);
    CHECK(second == item(event, 1));
    char *json = chat_event_to_json(second);
    CHECK(strstr(json, "\"account\":\"bob\""));
    chat_string_free(json);
    CHECK_IS(chat_event_item(event, 2, &second), CHAT_INVALID);
    CHECK_IS(chat_event_free((chat_event *)(uintptr_t)second), CHAT_MISUSE);
    CHECK_OK(chat_event_free(event));
    CHECK_TEXT(chat_event_account(second), "");
    CHECK_IS(chat_event_status(second), CHAT_BAD_HANDLE);
    DO(ann, chat_client_kick(ann, "den", "bob", request));
    REFUSED(bob, chat_client_send(bob, "den", "hm", NULL, request), CHAT_REFUSED_NOT_A_MEMBER);
    DO(ann, chat_client_ban(ann, "den", "bob", request));
    REFUSED(bob, chat_client_join(bob, "den", request), CHAT_REFUSED_BANNED);
    DO(ann, chat_client_unban(ann, "den", "bob", request));
    DO(ann, chat_client_invite(ann, "den", "bob", request));
    DO(bob, chat_client_join(bob, "den", request));
    REFUSED(ann, chat_client_leave(ann, "den", request), CHAT_REFUSED_LAST_OWNER);
    DO(bob, chat_client_leave(bob, "den", request));
    DO(bob, chat_client_leave(bob, "lobby", request));
    DO(bob, chat_client_join(bob, "lobby", request));

    /* History and search. */
    for (int i = 0; i < 3; i++) {
        char text[32];
        snprintf(text, sizeof text, "number %d", i);
        DO(ann, chat_client_send(ann, "lobby", text, NULL, request));
    }
    CHECK_OK(chat_client_history(bob, "lobby", CHAT_HISTORY_END, 0, 2, &number));
    event = reply_to(bob, number);
    CHECK_OK(chat_event_status(event));
    CHECK(chat_event_item_count(event) == 2);
    CHECK_TEXT(chat_event_text(item(event, 1)), "number 2");
    CHECK_TEXT(chat_event_place(item(event, 1)), "lobby");
    uint64_t last = chat_event_seq(item(event, 1));
    CHECK(chat_event_next_len(event) > 0);
    CHECK_OK(chat_event_free(event));
    DO(bob, chat_client_react(bob, "lobby", last, "🎉", NULL, request));
    DO(ann, chat_client_edit(ann, "lobby", last, "number two", NULL, request));
    CHECK_OK(chat_client_history(bob, "lobby", CHAT_HISTORY_AROUND, last, 1, &number));
    event = reply_to(bob, number);
    const chat_event *entry = item(event, 0);
    CHECK_TEXT(chat_event_text(entry), "number two");
    CHECK(chat_event_flags(entry) & CHAT_FLAG_EDITED);
    CHECK(chat_event_item_count(entry) == 1);
    CHECK_TEXT(chat_event_text(item(entry, 0)), "🎉");
    CHECK_TEXT(chat_event_account(item(item(entry, 0), 0)), "bob");
    CHECK_OK(chat_event_free(event));
    CHECK_IS(chat_client_history(bob, "lobby", 7, 0, 0, NULL), CHAT_INVALID);
    CHECK_IS(chat_client_history(bob, "lobby", CHAT_HISTORY_BEFORE, 0, 0, NULL), CHAT_INVALID);
    CHECK_OK(chat_client_search(bob, NULL, "two", NULL, &number));
    event = reply_to(bob, number);
    CHECK(chat_event_item_count(event) == 1);
    CHECK_TEXT(chat_event_place(item(event, 0)), "lobby");
    CHECK_OK(chat_event_free(event));

    /* Reading, receipts, presence, typing. */
    DO(bob, chat_client_read(bob, "lobby", last, request));
    CHECK_OK(chat_client_receipts(ann, "lobby", &number));
    event = reply_to(ann, number);
    CHECK(chat_event_item_count(event) == 2);
    CHECK_TEXT(chat_event_account(item(event, 1)), "bob");
    CHECK(chat_event_read(item(event, 1)) == last);
    CHECK_OK(chat_event_free(event));
    CHECK_OK(chat_client_presence(bob, CHAT_PRESENCE_AWAY, "lunch"));
    do {
        event = next_of(ann, CHAT_EVENT_PRESENCE);
    } while (chat_event_presence(event) != CHAT_PRESENCE_AWAY && chat_event_free(event) == CHAT_OK);
    CHECK_TEXT(chat_event_account(event), "bob");
    CHECK_TEXT(chat_event_text(event), "lunch");
    CHECK_OK(chat_event_free(event));
    CHECK_IS(chat_client_presence(bob, CHAT_PRESENCE_OFFLINE, NULL), CHAT_INVALID);
    CHECK_OK(chat_client_typing(bob, "lobby"));
    event = next_of(ann, CHAT_EVENT_TYPING);
    CHECK_TEXT(chat_event_account(event), "bob");
    CHECK_TEXT(chat_event_place(event), "lobby");
    CHECK_OK(chat_event_free(event));

    /* Lists. */
    CHECK_OK(chat_client_rooms(ann, NULL, &number));
    event = reply_to(ann, number);
    CHECK(chat_event_item_count(event) == 2);
    CHECK_TEXT(chat_event_place(item(event, 0)), "den");
    CHECK_TEXT(chat_event_text(item(event, 0)), "plans");
    CHECK(chat_event_flags(item(event, 0)) == CHAT_FLAG_JOINED);
    CHECK(chat_event_members(item(event, 1)) == 2);
    CHECK_OK(chat_event_free(event));
    CHECK_OK(chat_client_who(ann, NULL, &number));
    event = reply_to(ann, number);
    CHECK(chat_event_item_count(event) == 2);
    CHECK_TEXT(chat_event_text(item(event, 1)), "lunch");
    CHECK_OK(chat_event_free(event));
    CHECK_OK(chat_client_conversations(bob, NULL, &number));
    event = reply_to(bob, number);
    CHECK(chat_event_item_count(event) == 1);
    CHECK_TEXT(chat_event_place(item(event, 0)), "lobby");
    CHECK(chat_event_unread(item(event, 0)) == 0);
    CHECK_OK(chat_event_free(event));
    CHECK_OK(chat_client_devices(ann, &number));
    event = reply_to(ann, number);
    CHECK_OK(status_of(event));
    CHECK_OK(chat_client_commands(ann, &number));
    CHECK_OK(status_of(reply_to(ann, number)));
    CHECK_OK(chat_client_command(ann, "lobby", "roll", "2d6", &number));
    event = reply_to(ann, number);
    CHECK(chat_event_status(event) >= 100);
    CHECK_OK(chat_event_free(event));
    REFUSED(ann, chat_client_revoke(ann, 12345, request), CHAT_REFUSED_BAD_REQUEST);
    DO(ann, chat_client_password(ann, PASSWORD, "another password", 1, request));
    REFUSED(ann, chat_client_password(ann, "wrong password", "yet another one", 1, request),
            CHAT_REFUSED_LOGIN_FAILED);

    /* JSON in and out: the reply's line is the answer. */
    CHECK_OK(chat_client_request_json(bob, "{\"type\":\"who\",\"room\":\"lobby\",\"ref\":\"w\"}", &number));
    event = reply_to(bob, number);
    json = chat_event_to_json(event);
    CHECK(strstr(json, "\"type\":\"who\"") && strstr(json, "\"ref\":\"w\"") && strstr(json, "\"ann\""));
    chat_string_free(json);
    CHECK_OK(chat_event_free(event));
    CHECK_OK(chat_client_request_json(bob, "{\"type\":\"send\",\"to\":\"ann\",\"text\":\"by json\"}", &number));
    CHECK_OK(status_of(reply_to(bob, number)));
    CHECK_OK(chat_client_request_json(bob, "{\"type\":\"typing\",\"to\":\"ann\"}", &number));
    CHECK_OK(status_of(reply_to(bob, number)));
    CHECK_IS(chat_client_request_json(bob, "{\"type\":\"dance\"}", &number), CHAT_BAD_JSON);
    CHECK_IS(chat_client_request_json(bob, "nonsense", &number), CHAT_BAD_JSON);

    CHECK_OK(chat_client_free(ann));
    CHECK_OK(chat_client_free(bob));
    CHECK_OK(chat_server_free(server));
    return 0;
}
