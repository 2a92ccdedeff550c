/* Files: sent with progress, seen by others, fetched and proven, once for each send id. */
#include "check.h"

static void write_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    for (size_t i = 0; i < size; i++)
        CHECK(fputc((int)(i * 31 % 251), file) != EOF);
    CHECK(fclose(file) == 0);
}

static int same_files(const char *one, const char *other)
{
    FILE *a = fopen(one, "rb"), *b = fopen(other, "rb");
    CHECK(a != NULL && b != NULL);
    int left, right;
    do {
        left = fgetc(a);
        right = fgetc(b);
    } while (left == right && left != EOF);
    fclose(a), fclose(b);
    return left == right;
}

int main(void)
{
    enum { SIZE = 300000 };
    char folder[256], data[300], source[300], copy[300], missing[300];
    new_folder(folder, sizeof folder);
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(source, sizeof source, "%s/source.bin", folder);
    snprintf(copy, sizeof copy, "%s/copy.bin", folder);
    snprintf(missing, sizeof missing, "%s/missing", folder);
    write_file(source, SIZE);
    chat_server *server = server_in(data, "127.0.0.1:0");
    chat_client *ann = client_new(server, "ann");
    chat_client *bob = client_new(server, "bob");

    uint8_t id[16];
    uint64_t request;
    chat_send_options options;
    CHECK_OK(chat_new_send_id(id));
    CHECK_OK(chat_send_options_init(&options, sizeof options));
    options.send_id = id;
    options.send_id_len = sizeof id;
    CHECK_OK(chat_client_send_file_with(ann, "lobby", source, NULL, "application/x-test", &options, &request));
    chat_event *event = next_of(ann, CHAT_EVENT_QUEUED);
    CHECK(chat_event_request(event) == request);
    CHECK_OK(chat_event_free(event));
    event = reply_to(ann, request);
    CHECK_OK(chat_event_status(event));
    uint64_t seq = chat_event_seq(event);
    CHECK(seq > 0);
    CHECK_OK(chat_event_free(event));

    event = next_of(bob, CHAT_EVENT_FILE);
    CHECK(chat_event_seq(event) == seq && chat_event_size(event) == SIZE);
    CHECK_TEXT(chat_event_name(event), "source.bin");
    CHECK_TEXT(chat_event_media_type(event), "application/x-test");
    CHECK(chat_event_blob_len(event) == 16 && chat_event_hash_len(event) == 32);
    CHECK(memcmp(chat_event_send_id(event), id, 16) == 0);
    CHECK_OK(chat_client_fetch(bob, chat_event_blob(event), chat_event_blob_len(event), copy, &request));
    chat_event *fetched = reply_to(bob, request);
    CHECK_OK(chat_event_status(fetched));
    CHECK_TEXT(chat_event_name(fetched), copy);
    CHECK(memcmp(chat_event_hash(fetched), chat_event_hash(event), 32) == 0);
    CHECK_OK(chat_event_free(fetched));
    CHECK(same_files(source, copy));

    /* What can't be is told: no such file here, none such there, and nothing is overwritten. */
    CHECK_OK(chat_client_send_file(ann, "lobby", missing, NULL, NULL, &request));
    CHECK_IS(status_of(reply_to(ann, request)), CHAT_LOCAL);
    CHECK_OK(chat_client_fetch(bob, id, sizeof id, missing, &request));
    CHECK_IS(status_of(reply_to(bob, request)), CHAT_REFUSED_NO_SUCH_BLOB);
    CHECK_OK(chat_client_fetch(bob, chat_event_blob(event), 16, copy, &request));
    CHECK_IS(status_of(reply_to(bob, request)), CHAT_LOCAL);
    CHECK_OK(chat_event_free(event));
    CHECK_IS(chat_client_fetch(bob, id, 15, missing, NULL), CHAT_INVALID);
    CHECK_IS(chat_client_send_file(ann, "lobby", "", NULL, NULL, NULL), CHAT_INVALID);
    options.reply_to = seq;
    CHECK_IS(chat_client_send_file_with(ann, "lobby", source, NULL, NULL, &options, NULL), CHAT_INVALID);

    /* Without a link it waits, and is given up like a send. */
    chat_client_options offline = client_options(server, "cid");
    offline.address = "127.0.0.1:1";
    offline.patient = 1;
    chat_client *cid;
    CHECK_OK(chat_client_new(&offline, &cid));
    CHECK_OK(chat_client_connect(cid, NULL));
    CHECK_OK(chat_client_send_file(cid, "lobby", source, NULL, NULL, &request));
    CHECK_OK(chat_event_free(next_of(cid, CHAT_EVENT_QUEUED)));
    CHECK_OK(chat_client_cancel(cid, request));
    CHECK_IS(status_of(reply_to(cid, request)), CHAT_CANCELED);

    CHECK_OK(chat_client_free(cid));
    CHECK_OK(chat_client_free(ann));
    CHECK_OK(chat_client_free(bob));
    CHECK_OK(chat_server_free(server));
    return 0;
}
