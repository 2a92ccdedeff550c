// Says one thing and prints where it is in the log: without exceptions, as in games and firmware.
//
//   g++ -fno-exceptions quiet.cpp -o quiet $(pkg-config --cflags --libs chat)
//   CHAT_PASSWORD='correct horse battery' ./quiet 'chat://ann@127.0.0.1:7878?fp=SHA256:...' hello

#include <chat.hpp>

#include <cstdlib>
#include <iostream>

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "usage: quiet LINK TEXT\n";
        return 2;
    }
    chat::client_options options;
    options.address = argv[1];
    options.password = std::getenv("CHAT_PASSWORD");
    options.register_account = 1;
    options.trust = CHAT_TRUST_ACCEPT_NEW;
    chat::result<chat::client> client = chat::client::open(options);
    if (!client) {
        std::cerr << "quiet: " << client.message() << '\n';
        return 1;
    }
    chat::result<chat::request_id> connecting = client->connect();
    if (!connecting) {
        std::cerr << "quiet: " << connecting.message() << '\n';
        return 1;
    }
    chat::result<chat::request_id> sent = client->send("lobby", argv[2]);
    if (!sent) {
        std::cerr << "quiet: " << sent.message() << '\n';
        return 1;
    }
    for (const chat::event &event : *client) {
        if (event.type() == CHAT_EVENT_REPLY && event.request() == *sent) {
            if (event.status() == CHAT_OK) {
                std::cout << "on the server as entry " << event.seq() << std::endl;
                return 0; // the handle closes and frees itself
            }
            std::cerr << "quiet: " << event.message() << '\n';
        } else if (event.type() == CHAT_EVENT_CLOSED) {
            std::cerr << "quiet: " << event.message() << '\n';
        }
    }
    return 1;
}
