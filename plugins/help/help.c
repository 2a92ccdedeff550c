/*
 * Help: /help lists the commands of every plugin, /help NAME explains one, /rules tells the house rules.
 *
 *     [plugin.help]
 *     text  = "Ask @ann when something is broken."   # above the list; optional
 *     rules = "Be kind.\nNo advertising."            # without it there is no /rules
 *
 * Only who asks is answered, on the device that asked.
 */

#include <chat_plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A hundred commands with the longest help fit. */
#define MAX_LIST_BYTES 65536u
/* The longest notice. */
#define MAX_ANSWER_BYTES 16384u
/* What the operator may write; the list of commands needs room, too. */
#define MAX_TEXT_BYTES 4096u

typedef struct {
    const chat_ext_command *command;
    const chat_ext_notice *notice;
    char text[MAX_TEXT_BYTES + 1];
    char rules[MAX_TEXT_BYTES + 1];
    char list[MAX_LIST_BYTES + 1];
    char answer[MAX_ANSWER_BYTES + 1];
} help_book;

/* Reads a text, or leaves it as it is. */
static int read_text(const chat_host *host, const char *key, char *into)
{
    const char *text = host->config(host, key);
    char line[100];

    if (text == NULL)
        text = "";
    if (strlen(text) > MAX_TEXT_BYTES) {
        snprintf(line, sizeof line, "%s is longer than 4096 bytes", key);
        host->log(host, CHAT_LOG_ERROR, line);
        return 0;
    }
    memcpy(into, text, strlen(text) + 1);
    return 1;
}

static chat_verdict answer(help_book *book, const chat_host *host, const chat_plugin_event *event, const char *text)
{
    if (book->notice->reply(host, event, text) == CHAT_OK)
        return CHAT_HANDLED;
    host->set_reason(host, event, "the answer could not be sent, try again later");
    return CHAT_REJECT;
}

/* The list of commands, a text. 0 when the server has none. */
static int read_list(help_book *book, const chat_host *host)
{
    uint64_t len = 0;

    if (book->command->list(host, book->list, MAX_LIST_BYTES, &len) != CHAT_OK)
        return 0;
    book->list[len > MAX_LIST_BYTES ? MAX_LIST_BYTES : len] = '\0';
    return 1;
}

/* Writes "/name - what it takes and does" for the line there, after a line feed, if it fits. */
static int describe(char *out, size_t room, const char *line)
{
    int name = (int)strcspn(line, "\t\n");
    const char *help = line[name] == '\t' ? line + name + 1 : "";
    int written = snprintf(out, room, "\n/%.*s - %.*s", name, line, (int)strcspn(help, "\n"), help);

    return written > 0 && (size_t)written < room ? written : 0;
}

static chat_verdict list_all(help_book *book, const chat_host *host, const chat_plugin_event *event)
{
    static const char MORE[] = "\n.. and more: /help NAME";
    /* Room for MORE is kept back. */
    const size_t room = sizeof book->answer - sizeof MORE;
    size_t used = (size_t)snprintf(book->answer, room, "%s%sCommands:", book->text, book->text[0] != '\0' ? "\n" : "");
    const char *line;
    size_t len;

    for (line = book->list; *line != '\0'; line += len + (line[len] == '\n')) {
        int written;
        len = strcspn(line, "\n");
        written = describe(book->answer + used, room - used, line);
        if (written == 0) {
            memcpy(book->answer + used, MORE, sizeof MORE);
            break;
        }
        used += (size_t)written;
    }
    return answer(book, host, event, book->answer);
}

static chat_verdict help(void *self, const chat_host *host, const chat_plugin_event *event)
{
    help_book *book = self;
    const char *args = event->args != NULL ? event->args : "", *line;
    size_t wanted, len;

    if (!read_list(book, host)) {
        host->set_reason(host, event, "the list of commands is not there, try again later");
        return CHAT_REJECT;
    }
    args += strspn(args, " /");
    wanted = strcspn(args, " ");
    if (wanted == 0)
        return list_all(book, host, event);
    for (line = book->list; *line != '\0'; line += len + (line[len] == '\n')) {
        len = strcspn(line, "\n");
        if (strcspn(line, "\t\n") == wanted && memcmp(line, args, wanted) == 0 &&
            describe(book->answer, sizeof book->answer, line) > 0)
            return answer(book, host, event, book->answer + 1);
    }
    host->set_reason(host, event, "there is no such command: /help lists them");
    return CHAT_REJECT;
}

static chat_verdict rules(void *self, const chat_host *host, const chat_plugin_event *event)
{
    help_book *book = self;
    return answer(book, host, event, book->rules[0] != '\0' ? book->rules : "there are no rules here");
}

static chat_verdict reload(void *self, const chat_host *host, const chat_plugin_event *event)
{
    help_book *book = self;

    (void)event;
    if (!read_text(host, "text", book->text) || !read_text(host, "rules", book->rules))
        host->log(host, CHAT_LOG_WARN, "the old text stays");
    return CHAT_PASS;
}

static void destroy(void *self, const chat_host *host)
{
    (void)host;
    free(self);
}

static chat_status init(const chat_host *host, void **self)
{
    help_book *book = calloc(1, sizeof *book);
    chat_status status = CHAT_MISUSE;

    if (book == NULL)
        return CHAT_FULL;
    book->command = host->extension(host, "chat.command/1");
    book->notice = host->extension(host, "chat.notice/1");
    if (book->command == NULL || book->notice == NULL)
        host->log(host, CHAT_LOG_ERROR, "it needs chat.command/1 and chat.notice/1: the server is too old");
    else if (read_text(host, "text", book->text) && read_text(host, "rules", book->rules)) {
        status = book->command->add(host, "help", "[NAME]", "lists the commands, or explains one", help);
        if (status == CHAT_OK && book->rules[0] != '\0')
            status = book->command->add(host, "rules", "", "tells the house rules", rules);
        if (status == CHAT_OK)
            status = host->hook(host, CHAT_HOOK_RELOAD, 0, reload);
    }
    if (status != CHAT_OK) {
        free(book);
        return status;
    }
    *self = book;
    return CHAT_OK;
}

CHAT_PLUGIN_DECLARE("org.libchat.help", "Help", "1.0", "MIT OR Apache-2.0", CHAT_CAP_COMMAND | CHAT_CAP_NOTICE, init,
                    destroy);
