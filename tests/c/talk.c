/* Two people in a room and in private; what one sends, the other gets, once and with its place. */
#include "check.h"

int main(void)
{
    chat_server *server = server_new();
    chat_client *ann = client_new(server, "Ann");
    chat_client *bob = client_new(server, "bob");
    CHECK_TEXT(chat_client_account(ann), "ann");
    CHECK_TEXT(chat_client_fingerprint(ann), chat_server_fingerprint(server));
    CHECK(chat_client_state(ann) == CHAT_STATE_ONLINE);

    /* To the room, with an id of its own: QUEUED tells it, the reply tells the place. */
    uint8_t id[16];
    CHECK_OK(chat_new_send_id(id));
    chat_send_options options;
    CHECK_OK(chat_send_options_init(&options, sizeof options));
    options.send_id = id;
    options.send_id_len = sizeof id;
    options.label = "first";
    uint64_t request;
    CHECK_OK(chat_client_send(ann, "lobby", "hé, all", &options, &request));
    chat_event *queued = next_of(ann, CHAT_EVENT_QUEUED);
    CHECK(chat_event_request(queued) == request);
    CHECK(chat_event_send_id_len(queued) == 16);
    CHECK(memcmp(chat_event_send_id(queued), id, 16) == 0);
    CHECK_OK(chat_event_free(queued));
    chat_event *reply = reply_to(ann, request);
    CHECK_OK(chat_event_status(reply));
    uint64_t seq = chat_event_seq(reply);
    CHECK(seq > 0);
    CHECK_TEXT(chat_event_label(reply), "first");
    CHECK_TEXT(chat_event_place(reply), "lobby");
    CHECK_OK(chat_event_free(reply));

    chat_event *message = next_of(bob, CHAT_EVENT_MESSAGE);
    CHECK_TEXT(chat_event_place(message), "lobby");
    CHECK_TEXT(chat_event_from(message), "ann");
    CHECK_TEXT(chat_event_text(message), "hé, all");
    CHECK(chat_event_text_len(message) == strlen("hé, all"));
    CHECK(chat_event_seq(message) == seq && chat_event_prev(message) == seq - 1);
    CHECK(chat_event_time_ms(message) > 1700000000000);
    CHECK(chat_event_epoch(message) != 0);
    CHECK(memcmp(chat_event_send_id(message), id, 16) == 0);
    CHECK(chat_event_conversation_len(message) == 32);
    CHECK(chat_event_request(message) == 0);
    /* What a message does not have is empty and never NULL. */
    CHECK_TEXT(chat_event_media_type(message), "");
    CHECK(chat_event_blob(message) == NULL && chat_event_size(message) == 0);
    char *json = chat_event_to_json(message);
    CHECK(strstr(json, "\"type\":\"message\"") && strstr(json, "\"text\":\"hé, all\""));
    chat_string_free(json);

    /* An answer goes where the question came from. */
    CHECK_OK(chat_send_options_init(&options, sizeof options));
    options.reply_to = seq;
    CHECK_OK(chat_client_send(bob, chat_event_place(message), "hello", &options, &request));
    CHECK_OK(chat_event_free(message));
    CHECK_OK(status_of(reply_to(bob, request)));
    message = next_of(ann, CHAT_EVENT_MESSAGE); /* her own */
    CHECK_OK(chat_event_free(message));
    message = next_of(ann, CHAT_EVENT_MESSAGE);
    CHECK(chat_event_target(message) == seq);
    CHECK_OK(chat_event_free(message));

    /* In private. */
    CHECK_OK(chat_client_send(ann, "@bob", "psst", NULL, &request));
    CHECK_OK(status_of(reply_to(ann, request)));
    do {
        message = next_of(bob, CHAT_EVENT_MESSAGE);
    } while (strcmp(chat_event_text(message), "psst") != 0 && chat_event_free(message) == CHAT_OK);
    CHECK_TEXT(chat_event_place(message), "@ann");
    uint64_t place = chat_event_seq(message);
    CHECK_OK(chat_event_free(message));

    /* Edits, reactions, deletions. */
    CHECK_OK(chat_client_react(bob, "@ann", place, "👍", NULL, &request));
    CHECK_OK(status_of(reply_to(bob, request)));
    chat_event *reaction = next_of(ann, CHAT_EVENT_REACTION);
    CHECK_TEXT(chat_event_text(reaction), "👍");
    CHECK(chat_event_target(reaction) == place);
    CHECK_OK(chat_event_free(reaction));
    CHECK_OK(chat_client_edit(ann, "@bob", place, "psst!", NULL, NULL));
    chat_event *edit = next_of(bob, CHAT_EVENT_EDIT);
    CHECK_TEXT(chat_event_text(edit), "psst!");
    CHECK_OK(chat_event_free(edit));
    CHECK_OK(chat_client_delete(ann, "@bob", place, NULL, &request));
    CHECK_OK(status_of(reply_to(ann, request)));
    CHECK_OK(chat_event_free(next_of(bob, CHAT_EVENT_DELETE)));

    /* Who is away gets it later, and a refusal is the reply. */
    CHECK_OK(chat_client_edit(bob, "@ann", place, "mine", NULL, &request));
    CHECK_IS(status_of(reply_to(bob, request)), CHAT_REFUSED_NO_SUCH_ENTRY);
    CHECK_OK(chat_client_send(bob, "nowhere", "x", NULL, &request));
    CHECK_IS(status_of(reply_to(bob, request)), CHAT_REFUSED_NO_SUCH_ROOM);

    /* What can't succeed is refused at once. */
    CHECK_IS(chat_client_send(bob, "lobby", "", NULL, NULL), CHAT_EMPTY);
    CHECK_IS(chat_client_send(bob, "a b", "x", NULL, NULL), CHAT_BAD_NAME);
    CHECK_IS(chat_client_send(bob, "lobby", "\xff", NULL, NULL), CHAT_BAD_UTF8);
    CHECK_IS(chat_client_send(bob, NULL, "x", NULL, NULL), CHAT_INVALID);
    CHECK_IS(chat_client_send(bob, "lobby", NULL, NULL, NULL), CHAT_INVALID);

    CHECK_OK(chat_client_close(ann, 5000));
    drain(ann);
    CHECK_IS(chat_client_send(ann, "lobby", "late", NULL, NULL), CHAT_CLOSED);
    CHECK(chat_client_state(ann) == CHAT_STATE_CLOSED);
    CHECK_OK(chat_client_free(ann));
    CHECK_IS(chat_client_free(ann), CHAT_BAD_HANDLE);
    CHECK_OK(chat_client_free(bob));
    CHECK_OK(chat_client_free(NULL));
    CHECK_OK(chat_server_free(server));
    return 0;
}
