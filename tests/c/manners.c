/* A host that knows nothing of SIGPIPE, forks, and has its own stdout, stderr and locale. */
#include "check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <locale.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct sockaddr_in behind;

/* Passes one connection on, and breaks it with a reset in the middle of what the client writes. */
static void *proxy(void *listener)
{
    int client = accept(*(int *)listener, NULL, NULL);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (client < 0 || server < 0 || connect(server, (struct sockaddr *)&behind, sizeof behind) != 0)
        return NULL;
    char buffer[16384];
    long passed = 0;
    while (passed < 300000) {
        struct pollfd ends[2] = {{.fd = client, .events = POLLIN, .revents = 0},
                                 {.fd = server, .events = POLLIN, .revents = 0}};
        if (poll(ends, 2, PATIENCE_MS) <= 0)
            break;
        int from = ends[0].revents ? client : server, to = from == client ? server : client;
        ssize_t length = read(from, buffer, sizeof buffer);
        if (length <= 0 || send(to, buffer, (size_t)length, MSG_NOSIGNAL) != length)
            break;
        passed += from == client ? length : 0;
    }
    struct linger reset = {1, 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt(server, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(client);
    close(server);
    return NULL;
}

static void survives_a_broken_pipe(chat_server *server)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    behind = address;
    behind.sin_port = htons((uint16_t)atoi(strrchr(chat_server_address(server, 0), ':') + 1));
    socklen_t length = sizeof address;
    CHECK(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, proxy, &listener) == 0);

    char where[64], text[16001];
    snprintf(where, sizeof where, "127.0.0.1:%d", ntohs(address.sin_port));
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    chat_client_options options = client_options(server, "writer");
    options.address = where;
    options.reconnect = 0;
    chat_client *client;
    CHECK_OK(chat_client_new(&options, &client));
    client_connect(client);
    chat_status status = CHAT_OK;
    for (int i = 0; i < 200 && status == CHAT_OK; i++)
        status = chat_client_send(client, "lobby", text, NULL, NULL);
    CHECK(status == CHAT_OK || status == CHAT_CLOSED);
    chat_event *event;
    do {
        event = next(client);
    } while (chat_event_get_type(event) != CHAT_EVENT_CLOSED && chat_event_free(event) == CHAT_OK);
    CHECK(chat_event_status(event) == CHAT_LOST || chat_event_status(event) == CHAT_PROTOCOL);
    CHECK_OK(chat_event_free(event));
    CHECK_OK(chat_client_free(client));
    pthread_join(thread, NULL);
    close(listener);
}

/* Runs in the child: everything says what is the matter, and nothing hangs. */
static int forked(chat_server *server, chat_client *client, chat_event *event)
{
    chat_client_options options;
    chat_client *other = NULL;
    chat_event *none = NULL;
    uint8_t id[16];
    int wrong = 0;
    wrong += chat_client_options_init(&options, sizeof options) != CHAT_FORKED;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    wrong += chat_client_new(&options, &other) != CHAT_FORKED;
    wrong += chat_client_send(client, "lobby", "x", NULL, NULL) != CHAT_FORKED;
    wrong += chat_client_next_event(client, -1, &none) != CHAT_FORKED;
    wrong += chat_client_close(client, 1000) != CHAT_FORKED;
    wrong += chat_client_set_wakeup(client, NULL, NULL) != CHAT_FORKED;
    wrong += chat_client_fd(client) != -1;
    wrong += strcmp(chat_event_text(event), "") != 0;
    wrong += chat_event_to_json(event) != NULL;
    wrong += chat_event_free(event) != CHAT_FORKED;
    wrong += chat_new_send_id(id) != CHAT_FORKED;
    wrong += chat_set_log(CHAT_LOG_INFO, NULL, NULL) != CHAT_FORKED;
    wrong += chat_client_free(client) != CHAT_FORKED;
    wrong += chat_server_stop(server) != CHAT_FORKED;
    wrong += chat_server_free(server) != CHAT_FORKED;
    /* What needs no library works. */
    wrong += strcmp(chat_status_name(CHAT_FORKED), "CHAT_FORKED") != 0;
    wrong += chat_version_number() != CHAT_VERSION_NUMBER;
    return wrong;
}

static void parent_chats_on_after_a_fork(chat_server *server)
{
    chat_client *client = client_new(server, "parent");
    CHECK_OK(chat_client_send(client, "lobby", "before", NULL, NULL));
    chat_event *event = next_of(client, CHAT_EVENT_MESSAGE);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        /* valgrind would call lost what only the stacks of the parent's threads know: it does not look at a
         * process that becomes another. */
        char code[16];
        snprintf(code, sizeof code, "%d", forked(server, client, event));
        execl("/bin/sh", "sh", "-c", "exit \"$0\"", code, (char *)NULL);
        _exit(99);
    }
    int result;
    CHECK(waitpid(child, &result, 0) == child);
    CHECK(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    CHECK_TEXT(chat_event_text(event), "before");
    CHECK_OK(chat_event_free(event));
    uint64_t request;
    CHECK_OK(chat_client_send(client, "lobby", "after", NULL, &request));
    CHECK_OK(status_of(reply_to(client, request)));
    CHECK_OK(chat_client_free(client));
}

int main(void)
{
    /* Whatever is written to these lands in a file that must stay empty. */
    char folder[256], path[300];
    new_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/written", folder);
    int ours = dup(STDERR_FILENO), file = open(path, O_RDWR | O_CREAT, 0600);
    CHECK(ours >= 0 && file >= 0);
    fflush(stdout);
    CHECK(dup2(file, STDOUT_FILENO) >= 0 && dup2(file, STDERR_FILENO) >= 0);
    char *locale = strdup(setlocale(LC_ALL, NULL));

    chat_server *server = server_new();
    survives_a_broken_pipe(server);
    parent_chats_on_after_a_fork(server);
    CHECK_OK(chat_server_free(server));

    struct stat written;
    CHECK(fstat(file, &written) == 0);
    CHECK(dup2(ours, STDERR_FILENO) >= 0);
    CHECK(written.st_size == 0);
    CHECK_TEXT(setlocale(LC_ALL, NULL), locale);
    free(locale);
    return 0;
}
