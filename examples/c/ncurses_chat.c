/* A chat on a full screen: what is said above, a line to type in below.
 *
 *   gcc ncurses_chat.c -o ncurses_chat $(pkg-config --cflags --libs chat ncursesw)
 *   CHAT_PASSWORD='correct horse battery' ./ncurses_chat 'chat://ann@127.0.0.1:7878?fp=SHA256:...' ann.profile lobby
 *
 * Enter sends, Ctrl-D or F10 leaves.
 */

#include <chat.h>
#include <curses.h>

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "printable.h"

static WINDOW *said, *line;
static wchar_t typed[256];
static size_t length;

/* Cuts the screen into two windows, also after its size has changed. */
static void lay_out(void)
{
    if (said == NULL) {
        said = newwin(LINES - 2, COLS, 0, 0);
        line = newwin(1, COLS, LINES - 1, 0);
        scrollok(said, TRUE);
        keypad(line, TRUE);
        nodelay(line, TRUE);
    } else {
        wresize(said, LINES - 2, COLS);
        wresize(line, 1, COLS);
        mvwin(line, LINES - 1, 0);
    }
    mvhline(LINES - 2, 0, ACS_HLINE, COLS);
    refresh();
}

static void draw(void)
{
    size_t room = (size_t)(COLS > 4 ? COLS - 4 : 1);
    const wchar_t *shown = length > room ? typed + (length - room) : typed;

    wnoutrefresh(said);
    werase(line);
    waddstr(line, "> ");
    waddwstr(line, shown);
    wnoutrefresh(line); /* last, so that the cursor stays here */
    doupdate();
}

static void tell(const char *text)
{
    wattron(said, A_DIM);
    wprintw(said, "* %s\n", printable(text));
    wattroff(said, A_DIM);
}

static void show(const chat_event *event)
{
    switch (chat_event_get_type(event)) {
    case CHAT_EVENT_MESSAGE:
        wattron(said, A_BOLD);
        wprintw(said, "<%s> ", chat_event_from(event));
        wattroff(said, A_BOLD);
        wprintw(said, "%s\n", printable(chat_event_text(event)));
        break;
    case CHAT_EVENT_CONNECTED:
        tell("connected");
        break;
    case CHAT_EVENT_RECONNECTING:
        tell("the connection is gone; trying again");
        break;
    case CHAT_EVENT_REPLY:
        if (chat_event_status(event) != CHAT_OK)
            tell(chat_event_message(event));
        break;
    default:
        break;
    }
}

static void say(chat_client *client, const char *room)
{
    char text[sizeof typed / sizeof *typed * 4];

    if (length == 0)
        return;
    if (wcstombs(text, typed, sizeof text) == (size_t)-1
        || chat_client_send(client, room, text, NULL, NULL) != CHAT_OK)
        tell(chat_last_error());
    length = 0;
    typed[0] = L'\0';
}

/* Takes the keys that were pressed. Returns 0 when the person wants to leave. */
static int take_keys(chat_client *client, const char *room)
{
    wint_t key;

    for (;;) {
        int kind = wget_wch(line, &key);
        if (kind == ERR)
            return 1;
        if (kind == KEY_CODE_YES && key == KEY_RESIZE)
            lay_out();
        else if (kind == KEY_CODE_YES && key == KEY_F(10))
            return 0;
        else if (kind == OK && key == 4) /* Ctrl-D */
            return 0;
        else if ((kind == KEY_CODE_YES && key == KEY_ENTER) || (kind == OK && (key == '\n' || key == '\r')))
            say(client, room);
        else if ((kind == KEY_CODE_YES && key == KEY_BACKSPACE) || (kind == OK && (key == 127 || key == 8)))
            length -= length > 0;
        else if (kind == OK && key >= ' ' && length + 1 < sizeof typed / sizeof *typed)
            typed[length++] = (wchar_t)key;
        typed[length] = L'\0';
    }
}

static void run(chat_client *client, const char *room)
{
    struct pollfd wait_for[2] = {{STDIN_FILENO, POLLIN, 0}, {chat_client_fd(client), POLLIN, 0}};
    chat_status status = CHAT_OK;

    while (status == CHAT_OK) {
        chat_event *event;
        while ((status = chat_client_next_event(client, 0, &event)) == CHAT_OK && event != NULL) {
            show(event);
            chat_event_free(event);
        }
        draw();
        /* A change of the screen's size interrupts it, and then comes as a key. */
        if (status == CHAT_OK && poll(wait_for, 2, -1) < 0 && errno != EINTR)
            break;
        if (!take_keys(client, room) || (wait_for[0].revents & (POLLHUP | POLLERR)) != 0)
            break;
    }
}

int main(int argc, char **argv)
{
    chat_client_options options;
    chat_client *client = NULL;

    if (argc != 4) {
        fprintf(stderr, "usage: ncurses_chat LINK PROFILE ROOM\n");
        return 2;
    }
    setlocale(LC_ALL, "");
    chat_client_options_init(&options, sizeof options);
    options.address = argv[1];
    options.profile = argv[2];
    options.password = getenv("CHAT_PASSWORD");
    options.register_account = 1;
    options.trust = CHAT_TRUST_ACCEPT_NEW;
    if (chat_client_new(&options, &client) != CHAT_OK
        || chat_client_connect(client, NULL) != CHAT_OK
        || chat_client_join(client, argv[3], NULL) != CHAT_OK) {
        fprintf(stderr, "ncurses_chat: %s\n", chat_last_error());
        chat_client_free(client);
        return 1;
    }

    initscr();
    cbreak();
    noecho();
    lay_out();
    run(client, argv[3]);
    delwin(said);
    delwin(line);
    endwin();

    /* Why it ended, on the screen that is as before. */
    if (chat_client_state(client) == CHAT_STATE_CLOSED)
        fprintf(stderr, "ncurses_chat: the chat has ended\n");
    if (chat_client_close(client, 2000) == CHAT_TIMEOUT)
        fprintf(stderr, "ncurses_chat: not everything was sent; it goes out next time\n");
    chat_client_free(client);
    return 0;
}
