/* Sends a file to a room or a person, or fetches every file that comes.
 *
 *   gcc file_transfer.c -o file_transfer $(pkg-config --cflags --libs chat)
 *   export CHAT_PASSWORD='correct horse battery'
 *   ./file_transfer 'chat://ann@127.0.0.1:7878?fp=SHA256:...' ann.profile send lobby photo.jpg
 *   ./file_transfer 'chat://bob@127.0.0.1:7878?fp=SHA256:...' bob.profile fetch downloads
 *
 * The one who fetches may come hours later. A transfer that breaks off goes on where it was.
 */

#include <chat.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *folder; /* where files go; NULL when we send one */
static uint64_t request;   /* the transfer that is under way; 0: none */
static int result = 1;

/* Begins to fetch the file of an event. The name was chosen by a stranger: of it we take only letters,
 * digits and a few signs, so that it can neither leave the folder nor surprise anybody. */
static void fetch(chat_client *client, const chat_event *event)
{
    char path[512];
    const char *name = chat_event_name(event);
    size_t end = (size_t)snprintf(path, sizeof path, "%s/%" PRIu64 "-", folder, chat_event_seq(event));

    for (; *name != '\0' && end < sizeof path - 1; name++) {
        int plain = (*name >= '0' && *name <= '9') || (*name >= 'A' && *name <= 'Z')
                    || (*name >= 'a' && *name <= 'z') || *name == '.' || *name == '-';
        path[end++] = plain ? *name : '_';
    }
    path[end < sizeof path ? end : sizeof path - 1] = '\0';
    printf("fetching %s, %" PRIu64 " bytes\n", path, chat_event_size(event));
    if (chat_client_fetch(client, chat_event_blob(event), chat_event_blob_len(event), path, &request)
        != CHAT_OK)
        fprintf(stderr, "file_transfer: %s\n", chat_last_error());
}

static void handle(chat_client *client, const chat_event *event)
{
    switch (chat_event_get_type(event)) {
    case CHAT_EVENT_CONNECTED:
        printf("connected\n");
        break;
    case CHAT_EVENT_FILE:
        if (folder != NULL && strcmp(chat_event_from(event), chat_client_account(client)) != 0)
            fetch(client, event);
        break;
    case CHAT_EVENT_PROGRESS:
        printf("%" PRIu64 " of %" PRIu64 "\n", chat_event_transferred(event), chat_event_size(event));
        break;
    case CHAT_EVENT_REPLY:
        if (chat_event_request(event) != request)
            break;
        if (chat_event_status(event) == CHAT_OK) {
            /* A file that was sent is on the server's disk; one that was fetched is on ours, and its
             * hash is the one that the sender announced. */
            printf("done\n");
            result = 0;
        } else {
            fprintf(stderr, "file_transfer: %s\n", chat_event_message(event));
        }
        chat_client_close(client, 0);
        break;
    case CHAT_EVENT_CLOSED:
        if (result != 0)
            fprintf(stderr, "file_transfer: %s\n", chat_event_message(event));
        break;
    default:
        break;
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    chat_client_options options;
    chat_client *client = NULL;
    chat_event *event;
    chat_status status;

    if (argc == 5 && strcmp(argv[3], "fetch") == 0) {
        folder = argv[4];
    } else if (argc != 6 || strcmp(argv[3], "send") != 0) {
        fprintf(stderr, "usage: file_transfer LINK PROFILE send PLACE FILE\n"
                        "       file_transfer LINK PROFILE fetch FOLDER\n");
        return 2;
    }
    chat_client_options_init(&options, sizeof options);
    options.address = argv[1];
    options.profile = argv[2];
    options.password = getenv("CHAT_PASSWORD");
    options.register_account = 1;
    options.trust = CHAT_TRUST_ACCEPT_NEW;
    status = chat_client_new(&options, &client);
    if (status == CHAT_OK)
        status = chat_client_connect(client, NULL);
    if (status == CHAT_OK && folder == NULL)
        status = chat_client_send_file(client, argv[4], argv[5], NULL, NULL, &request);
    if (status != CHAT_OK) {
        fprintf(stderr, "file_transfer: %s\n", chat_last_error());
        chat_client_free(client);
        return 1;
    }
    while (chat_client_next_event(client, -1, &event) == CHAT_OK) {
        handle(client, event);
        chat_event_free(event);
    }
    chat_client_free(client);
    return result;
}
