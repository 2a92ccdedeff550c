/*
 * What the C tests share: checks that say where they failed, a server with people in it, and waiting for
 * what is to come. Every wait has an end.
 */
#ifndef CHECK_H
#define CHECK_H

#include <chat.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longest that anything may take; a slow machine under valgrind needs it. */
enum { PATIENCE_MS = 60000 };

#define CHECK(condition)                                                                               \
    do {                                                                                               \
        if (!(condition)) {                                                                            \
            fprintf(stderr, "%s:%d: not so: %s (last error: %s)\n", __FILE__, __LINE__, #condition,    \
                    chat_last_error());                                                                \
            exit(1);                                                                                   \
        }                                                                                              \
    } while (0)

#define CHECK_IS(expression, expected)                                                                 \
    do {                                                                                               \
        chat_status found_ = (expression);                                                             \
        if (found_ != (expected)) {                                                                    \
            fprintf(stderr, "%s:%d: %s is %s, not %s (last error: %s)\n", __FILE__, __LINE__,          \
                    #expression, chat_status_name(found_), chat_status_name(expected),                 \
                    chat_last_error());                                                                \
            exit(1);                                                                                   \
        }                                                                                              \
    } while (0)

#define CHECK_OK(expression) CHECK_IS(expression, CHAT_OK)

#define CHECK_TEXT(expression, expected)                                                               \
    do {                                                                                               \
        const char *found_ = (expression);                                                             \
        if (found_ == NULL || strcmp(found_, (expected)) != 0) {                                       \
            fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #expression,      \
                    found_ ? found_ : "(NULL)", (expected));                                           \
            exit(1);                                                                                   \
        }                                                                                              \
    } while (0)

#define PASSWORD "correct horse battery"

/* A server that anybody may register at: over TCP where `listen` is not NULL, in a folder where `data` is
 * not NULL. */
static inline chat_server *server_in(const char *data, const char *listen)
{
    chat_server_options options;
    CHECK_OK(chat_server_options_init(&options, sizeof options));
    options.registration = CHAT_REGISTRATION_OPEN;
    options.data = data;
    if (listen) {
        options.listen = &listen;
        options.listen_count = 1;
    }
    chat_server *server;
    CHECK_OK(chat_server_new(&options, &server));
    CHECK_OK(chat_server_start(server));
    return server;
}

static inline chat_server *server_new(void)
{
    return server_in(NULL, "127.0.0.1:0");
}

/* Options of a client that registers at a server and trusts it alone. */
static inline chat_client_options client_options(chat_server *server, const char *name)
{
    chat_client_options options;
    CHECK_OK(chat_client_options_init(&options, sizeof options));
    options.address = chat_server_address(server, 0);
    options.fingerprint = chat_server_fingerprint(server);
    options.account = name;
    options.password = PASSWORD;
    options.register_account = 1;
    return options;
}

/* The next event; the caller frees it. */
static inline chat_event *next(chat_client *client)
{
    chat_event *event = NULL;
    CHECK_OK(chat_client_next_event(client, PATIENCE_MS, &event));
    CHECK(event != NULL);
    return event;
}

/* The next event of a type; those before it are dropped, but a failed reply or an unexpected end is not
 * passed over. */
static inline chat_event *next_of(chat_client *client, chat_event_type type)
{
    for (;;) {
        chat_event *event = next(client);
        chat_event_type found = chat_event_get_type(event);
        if (found == type)
            return event;
        if (found == CHAT_EVENT_CLOSED) {
            fprintf(stderr, "it ended: %s\n", chat_event_message(event));
            exit(1);
        }
        CHECK_OK(chat_event_free(event));
    }
}

/* The reply to a request. */
static inline chat_event *reply_to(chat_client *client, uint64_t request)
{
    for (;;) {
        chat_event *event = next(client);
        if (chat_event_get_type(event) == CHAT_EVENT_REPLY && chat_event_request(event) == request)
            return event;
        CHECK_OK(chat_event_free(event));
    }
}

/* Frees an event and answers with its status. */
static inline chat_status status_of(chat_event *event)
{
    chat_status status = chat_event_status(event);
    if (status != CHAT_OK)
        fprintf(stderr, "  (%s: %s)\n", chat_status_name(status), chat_event_message(event));
    CHECK_OK(chat_event_free(event));
    return status;
}

static inline void client_connect(chat_client *client)
{
    uint64_t request;
    CHECK_OK(chat_client_connect(client, &request));
    CHECK_OK(status_of(reply_to(client, request)));
}

/* A client that is logged in. */
static inline chat_client *client_new(chat_server *server, const char *name)
{
    chat_client_options options = client_options(server, name);
    chat_client *client;
    CHECK_OK(chat_client_new(&options, &client));
    client_connect(client);
    return client;
}

/* Takes events up to the last one. */
static inline void drain(chat_client *client)
{
    chat_event *event;
    chat_status status;
    while ((status = chat_client_next_event(client, PATIENCE_MS, &event)) == CHAT_OK) {
        CHECK(event != NULL);
        CHECK_OK(chat_event_free(event));
    }
    CHECK_IS(status, CHAT_CLOSED);
}

/* The server's reply to a request. */
static inline chat_event *server_reply(chat_server *server, uint64_t request)
{
    for (;;) {
        chat_event *event = NULL;
        CHECK_OK(chat_server_next_event(server, PATIENCE_MS, &event));
        CHECK(event != NULL);
        if (chat_event_get_type(event) == CHAT_EVENT_REPLY && chat_event_request(event) == request)
            return event;
        CHECK_OK(chat_event_free(event));
    }
}

/* A new folder; the test's own, gone with the test's TMPDIR. */
static inline void new_folder(char *path, size_t size)
{
    const char *base = getenv("TMPDIR");
    snprintf(path, size, "%s/chat-XXXXXX", base ? base : "/tmp");
    CHECK(mkdtemp(path) != NULL);
}

#endif
