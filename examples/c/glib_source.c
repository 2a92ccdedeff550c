/* The chat as a source of GLib's main loop, as a GTK program would have it.
 *
 *   gcc glib_source.c -o glib_source $(pkg-config --cflags --libs chat glib-2.0)
 *   CHAT_PASSWORD='correct horse battery' ./glib_source 'chat://ann@127.0.0.1:7878?fp=SHA256:...' ann.profile
 *
 * Prints what is said, and leaves when somebody says "bye".
 */

#include <chat.h>
#include <glib-unix.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "printable.h"

struct app {
    GMainLoop *loop;
    chat_client *client;
    int result;
};

static void handle(struct app *app, const chat_event *event)
{
    switch (chat_event_get_type(event)) {
    case CHAT_EVENT_CONNECTED:
        g_print("here as %s\n", chat_event_account(event));
        break;
    case CHAT_EVENT_MESSAGE:
        g_print("<%s> %s\n", chat_event_from(event), printable(chat_event_text(event)));
        if (strcmp(chat_event_text(event), "bye") == 0)
            app->result = 0;
        break;
    case CHAT_EVENT_CLOSED:
        g_printerr("glib_source: %s\n", chat_event_message(event));
        break;
    default:
        break;
    }
}

/* Called by the main loop whenever the descriptor is readable. Takes everything that is there. */
static gboolean on_events(gint fd, GIOCondition condition, gpointer data)
{
    struct app *app = data;
    chat_event *event;
    chat_status status;

    (void)fd;
    (void)condition;
    while ((status = chat_client_next_event(app->client, 0, &event)) == CHAT_OK && event != NULL) {
        handle(app, event);
        chat_event_free(event);
    }
    if (status != CHAT_OK || app->result == 0) {
        g_main_loop_quit(app->loop);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    struct app app = {NULL, NULL, 1};
    chat_client_options options;

    if (argc != 3) {
        g_printerr("usage: glib_source LINK PROFILE\n");
        return 2;
    }
    chat_client_options_init(&options, sizeof options);
    options.address = argv[1];
    options.profile = argv[2];
    options.password = getenv("CHAT_PASSWORD");
    options.register_account = 1;
    options.trust = CHAT_TRUST_ACCEPT_NEW;
    if (chat_client_new(&options, &app.client) != CHAT_OK
        || chat_client_connect(app.client, NULL) != CHAT_OK) {
        g_printerr("glib_source: %s\n", chat_last_error());
        chat_client_free(app.client);
        return 1;
    }

    app.loop = g_main_loop_new(NULL, FALSE);
    g_unix_fd_add(chat_client_fd(app.client), G_IO_IN, on_events, &app);
    g_main_loop_run(app.loop);

    /* The source is gone before the descriptor is. */
    chat_client_free(app.client);
    g_main_loop_unref(app.loop);
    return app.result;
}
