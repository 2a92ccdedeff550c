/* Plugins of the program itself: a filter, a command and an observer, by the struct that files have. */
#include "check.h"

#include <stdatomic.h>

/* Refuses a word that the operator chose, and shouts back what a command is given. */
static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    const char *word = host->config(host, "word");
    if (event->text == NULL || word == NULL || strstr(event->text, word) == NULL)
        return CHAT_PASS;
    host->set_reason(host, event, "not that word");
    return CHAT_REJECT;
}

static chat_verdict shout(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    const chat_ext_notice *notice = host->extension(host, "chat.notice/1");
    char text[64];
    size_t length = 0;
    for (const char *sign = event->args; *sign && length < sizeof text - 1; sign++)
        text[length++] = (char)(*sign >= 'a' && *sign <= 'z' ? *sign - 'a' + 'A' : *sign);
    text[length] = 0;
    return notice->reply(host, event, text) == CHAT_OK ? CHAT_HANDLED : CHAT_FAULT;
}

static chat_status begin(const chat_host *host, void **self)
{
    (void)self;
    if (host->probe) /* it runs here, and nowhere else */
        return CHAT_MISUSE;
    const chat_ext_command *command = host->extension(host, "chat.command/1");
    if (command == NULL)
        return CHAT_NOT_FOUND;
    chat_status status = command->add(host, "shout", "TEXT", "says it louder", shout);
    return status == CHAT_OK ? host->hook(host, CHAT_HOOK_ENTRY, 0, entry) : status;
}

CHAT_PLUGIN_DECLARE("org.example.manners", "Manners", "1.0", "MIT",
                    CHAT_CAP_READ_TEXT | CHAT_CAP_REJECT | CHAT_CAP_COMMAND | CHAT_CAP_NOTICE, begin, NULL);

/* Counts what is in the log, with a state of its own. */
static atomic_int seen, ended;

static chat_verdict logged(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)host;
    if (event->kind == CHAT_KIND_TEXT && strcmp(event->text, "good morning") == 0)
        atomic_fetch_add((atomic_int *)self, 1);
    return CHAT_PASS;
}

static chat_status watch(const chat_host *host, void **self)
{
    *self = &seen;
    return host->hook(host, CHAT_HOOK_ENTRY_POST, 0, logged);
}

static void end(void *self, const chat_host *host)
{
    (void)host;
    CHECK(self == &seen);
    atomic_fetch_add(&ended, 1);
}

static const chat_plugin observer = {sizeof(chat_plugin), CHAT_PLUGIN_ABI, "org.example.counter", "Counter", "1.0",
                                     "MIT", CHAT_CAP_READ_TEXT, 0, watch, end, NULL, NULL};

static chat_status fail(const chat_host *host, void **self)
{
    (void)self;
    host->log(host, CHAT_LOG_ERROR, "as it was told");
    return CHAT_DENIED;
}

static const chat_plugin failing = {sizeof(chat_plugin), CHAT_PLUGIN_ABI, "failing", "Fails", "1.0",
                                    "MIT", 0, 0, fail, NULL, NULL, NULL};

int main(void)
{
    chat_server_options options;
    CHECK_OK(chat_server_options_init(&options, sizeof options));
    const char *listen = "127.0.0.1:0";
    options.listen = &listen;
    options.listen_count = 1;
    options.registration = CHAT_REGISTRATION_OPEN;
    chat_server *server;
    CHECK_OK(chat_server_new(&options, &server));

    /* What is wrong is said, and by whom. */
    chat_plugin wrong = observer;
    CHECK_IS(chat_server_add_plugin(NULL, &observer, NULL), CHAT_BAD_HANDLE);
    CHECK_IS(chat_server_add_plugin(server, NULL, NULL), CHAT_INVALID);
    CHECK_IS(chat_server_add_plugin(server, &observer, "{"), CHAT_BAD_JSON);
    CHECK_IS(chat_server_add_plugin(server, &observer, "[1]"), CHAT_BAD_JSON);
    CHECK_IS(chat_server_add_plugin(server, &observer, "{\"priority\":\"high\"}"), CHAT_INVALID);
    CHECK(strstr(chat_last_error(), "priority"));
    CHECK_IS(chat_server_add_plugin(server, &observer, "\xff"), CHAT_BAD_UTF8);
    wrong.abi = 77;
    CHECK_IS(chat_server_add_plugin(server, &wrong, NULL), CHAT_INVALID);
    CHECK(strstr(chat_last_error(), "77"));
    wrong = observer;
    wrong.size = 4;
    CHECK_IS(chat_server_add_plugin(server, &wrong, NULL), CHAT_INVALID);
    wrong = observer;
    wrong.id = "org.example.no name";
    CHECK_IS(chat_server_add_plugin(server, &wrong, NULL), CHAT_INVALID);

    CHECK_OK(chat_server_add_plugin(server, &chat_plugin_v1, "{\"word\":\"spam\",\"priority\":7}"));
    CHECK_OK(chat_server_add_plugin(server, &observer, NULL));
    CHECK_OK(chat_server_add_plugin(server, &failing, NULL));
    CHECK_IS(chat_server_add_plugin(server, &observer, NULL), CHAT_BUSY);
    CHECK_OK(chat_server_start(server));
    CHECK_IS(chat_server_add_plugin(server, &observer, NULL), CHAT_MISUSE);

    chat_client *ann = client_new(server, "ann");
    chat_client *bob = client_new(server, "bob");
    uint64_t number;
    CHECK_OK(chat_client_send(ann, "lobby", "buy spam", NULL, &number));
    chat_event *event = reply_to(ann, number);
    CHECK(strstr(chat_event_message(event), "not that word"));
    CHECK_IS(status_of(event), CHAT_REFUSED_REJECTED);
    CHECK_OK(chat_client_send(ann, "lobby", "good morning", NULL, &number));
    CHECK_OK(status_of(reply_to(ann, number)));
    event = next_of(bob, CHAT_EVENT_MESSAGE); /* and nothing of the other one */
    CHECK_TEXT(chat_event_text(event), "good morning");
    CHECK_OK(chat_event_free(event));

    CHECK_OK(chat_client_command(ann, "lobby", "shout", "hello there", &number));
    event = next_of(ann, CHAT_EVENT_NOTICE);
    CHECK_TEXT(chat_event_from(event), "plugin.manners");
    CHECK_TEXT(chat_event_text(event), "HELLO THERE");
    CHECK_OK(chat_event_free(event));

    /* The observer reads the log up to its end before the server's end, and then its own end is told. */
    for (int tries = 0; atomic_load(&seen) == 0 && tries < PATIENCE_MS / 10; tries++) {
        CHECK_OK(chat_client_next_event(ann, 10, &event));
        CHECK_OK(chat_event_free(event));
    }
    CHECK(atomic_load(&seen) == 1);
    CHECK_OK(chat_client_free(ann));
    CHECK_OK(chat_client_free(bob));
    CHECK_OK(chat_server_stop(server));
    CHECK(atomic_load(&ended) == 1);
    CHECK_OK(chat_server_free(server));

    /* One that never started takes its plugins along, unasked. */
    CHECK_OK(chat_server_new(NULL, &server));
    CHECK_OK(chat_server_add_plugin(server, &observer, NULL));
    CHECK_OK(chat_server_free(server));
    return 0;
}
