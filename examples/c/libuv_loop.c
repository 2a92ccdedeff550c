/* The chat in a loop of libuv, beside a timer.
 *
 *   gcc libuv_loop.c -o libuv_loop $(pkg-config --cflags --libs chat libuv)
 *   CHAT_PASSWORD='correct horse battery' ./libuv_loop 'chat://ann@127.0.0.1:7878?fp=SHA256:...' ann.profile
 *
 * Says "tick" once a second and prints what is said; leaves after the third own tick.
 */

#include <chat.h>
#include <uv.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "printable.h"

struct app {
    chat_client *client;
    uv_poll_t poll;
    uv_timer_t timer;
    int ticks;
    int result;
};

static void end(struct app *app)
{
    /* Both must be closed before the client, whose descriptor one of them watches. The loop ends when
     * it has nothing left to do. */
    if (!uv_is_closing((uv_handle_t *)&app->timer)) {
        uv_close((uv_handle_t *)&app->timer, NULL);
        uv_close((uv_handle_t *)&app->poll, NULL);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct app *app = timer->data;

    if (chat_client_send(app->client, "lobby", "tick", NULL, NULL) != CHAT_OK) {
        fprintf(stderr, "libuv_loop: %s\n", chat_last_error());
        end(app);
    }
}

static void handle(struct app *app, const chat_event *event)
{
    switch (chat_event_get_type(event)) {
    case CHAT_EVENT_CONNECTED:
        printf("here as %s\n", chat_event_account(event));
        uv_timer_start(&app->timer, on_timer, 0, 1000);
        break;
    case CHAT_EVENT_MESSAGE:
        printf("<%s> %s\n", chat_event_from(event), printable(chat_event_text(event)));
        if (strcmp(chat_event_from(event), chat_client_account(app->client)) == 0
            && ++app->ticks == 3)
            app->result = 0;
        break;
    case CHAT_EVENT_CLOSED:
        fprintf(stderr, "libuv_loop: %s\n", chat_event_message(event));
        break;
    default:
        break;
    }
    fflush(stdout);
}

static void on_events(uv_poll_t *poll, int status, int events)
{
    struct app *app = poll->data;
    chat_event *event;
    chat_status taken;

    (void)status;
    (void)events;
    while ((taken = chat_client_next_event(app->client, 0, &event)) == CHAT_OK && event != NULL) {
        handle(app, event);
        chat_event_free(event);
    }
    if (taken != CHAT_OK || app->result == 0)
        end(app);
}

int main(int argc, char **argv)
{
    static struct app app;
    chat_client_options options;
    uv_loop_t *loop = uv_default_loop();
    int error;

    if (argc != 3) {
        fprintf(stderr, "usage: libuv_loop LINK PROFILE\n");
        return 2;
    }
    app.result = 1;
    chat_client_options_init(&options, sizeof options);
    options.address = argv[1];
    options.profile = argv[2];
    options.password = getenv("CHAT_PASSWORD");
    options.register_account = 1;
    options.trust = CHAT_TRUST_ACCEPT_NEW;
    if (chat_client_new(&options, &app.client) != CHAT_OK
        || chat_client_connect(app.client, NULL) != CHAT_OK) {
        fprintf(stderr, "libuv_loop: %s\n", chat_last_error());
        chat_client_free(app.client);
        return 1;
    }

    app.timer.data = &app;
    app.poll.data = &app;
    uv_timer_init(loop, &app.timer);
    error = uv_poll_init(loop, &app.poll, chat_client_fd(app.client));
    if (error == 0)
        error = uv_poll_start(&app.poll, UV_READABLE, on_events);
    if (error != 0) {
        fprintf(stderr, "libuv_loop: %s\n", uv_strerror(error));
        chat_client_free(app.client);
        return 1;
    }
    uv_run(loop, UV_RUN_DEFAULT);

    chat_client_free(app.client);
    uv_loop_close(loop);
    return app.result;
}
