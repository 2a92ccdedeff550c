// A bot that repeats what it is told, with exceptions: what goes wrong ends up in main.
//
//   g++ echo_bot.cpp -o echo_bot $(pkg-config --cflags --libs chat)
//   CHAT_PASSWORD='correct horse battery' ./echo_bot 'chat://echo@127.0.0.1:7878?fp=SHA256:...' echo.profile
//
// Say "!echo something" in the lobby, or anything to @echo alone; "!quit" ends it.

#include <chat.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>

static chat::client connect(const char *link, const char *profile)
{
    chat::client_options options;
    options.address = link;
    options.profile = profile;
    options.password = std::getenv("CHAT_PASSWORD");
    options.register_account = 1;
    options.trust = CHAT_TRUST_ACCEPT_NEW;
    chat::client client = chat::client::open(options).value();
    client.connect().value();
    return client; // a handle is moved, never copied
}

static void answer(chat::client &client, const chat::event &event)
{
    std::string text = event.text();
    if (event.from() == client.account()) // our own words come back, too
        return;
    if (text == "!quit") {
        client.close(std::chrono::seconds(3)).value(); // throws when something was not delivered
        return;
    }
    if (text.compare(0, 6, "!echo ") == 0)
        text.erase(0, 6);
    else if (event.place()[0] != '@')
        return;
    client.send(event.place(), text, chat::send_options().replying_to(event.seq())).value();
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "usage: echo_bot LINK PROFILE\n";
        return 2;
    }
    try {
        chat::client client = connect(argv[1], argv[2]);
        for (const chat::event &event : client) {
            switch (event.type()) {
            case CHAT_EVENT_CONNECTED:
                std::cout << "here as " << event.account() << std::endl;
                break;
            case CHAT_EVENT_MESSAGE:
                answer(client, event);
                break;
            case CHAT_EVENT_CLOSED:
                if (event.status() != CHAT_CLOSED)
                    throw chat::error(event.status(), event.message());
                break;
            default:
                break;
            }
        }
    } catch (const std::exception &error) {
        std::cerr << "echo_bot: " << error.what() << '\n';
        return 1;
    }
}
