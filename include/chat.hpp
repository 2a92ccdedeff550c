/*
 * chat.hpp: libchat for C++11 and later. Only a header: link with libchat as a C program does.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 *     chat::client_options options;
 *     options.address = "chat://ann@chat.example:7878?fp=SHA256:...";
 *     options.password = "correct horse battery";
 *     chat::client client = chat::client::open(options).value();
 *     client.connect().value();
 *     client.send("lobby", "hello").value();
 *     for (const chat::event &event : client)
 *         if (event.type() == CHAT_EVENT_MESSAGE)
 *             std::cout << event.from() << ": " << event.text() << '\n';
 *
 * The methods are the functions of chat.h, whose documentation says what they do. What can fail returns a
 * chat::result: test it like a pointer and ask for its status, or take its value(), which throws a
 * chat::error. With -fno-exceptions there is no value(), and everything else is the same.
 *
 * Handles are moved and not copied, and free what they hold. All methods may be called from any thread,
 * as in C; moving and destroying an object while another thread uses it is a race, as with any object.
 */

#ifndef CHAT_HPP
#define CHAT_HPP

#include "chat.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#define CHAT_HPP_EXCEPTIONS 1
#include <stdexcept>
#endif

#if defined(__has_cpp_attribute) && __cplusplus >= 201703L
#define CHAT_HPP_NODISCARD [[nodiscard]]
#else
#define CHAT_HPP_NODISCARD
#endif

namespace chat {

/** The number of a request, by which its reply is known. */
using request_id = std::uint64_t;
using bytes = std::vector<std::uint8_t>;

#ifdef CHAT_HPP_EXCEPTIONS
/** A call that failed. */
class error : public std::runtime_error {
public:
    error(chat_status status, const std::string &text) : std::runtime_error(text), status_(status) {}
    chat_status status() const noexcept { return status_; }

private:
    chat_status status_;
};
#endif

namespace detail {

/* Text for C. U+0000 would end it early, and something else would be said; this is refused instead. */
inline const char *text(const std::string &text)
{
    return text.find('\0') == std::string::npos ? text.c_str() : "\xff";
}

/* The same where nothing means none. */
inline const char *text_if(const std::string &value)
{
    return value.empty() ? nullptr : text(value);
}

} // namespace detail

/** How a call went: what is wrong with it, for programs and for people. */
class CHAT_HPP_NODISCARD outcome {
public:
    explicit outcome(chat_status status) : status_(status)
    {
        if (status != CHAT_OK)
            message_ = chat_last_error();
    }

    explicit operator bool() const noexcept { return status_ == CHAT_OK; }
    chat_status status() const noexcept { return status_; }
    /** What exactly was wrong: a sentence for people. */
    const std::string &message() const noexcept { return message_; }

#ifdef CHAT_HPP_EXCEPTIONS
    /** Throws chat::error unless it went well. */
    void value() const
    {
        if (status_ != CHAT_OK)
            throw error(status_, message_ + " (" + chat_status_name(status_) + ")");
    }
#endif

private:
    chat_status status_;
    std::string message_;
};

/** How a call went, and what it brought. */
template <class T> class CHAT_HPP_NODISCARD result : private outcome {
public:
    result(chat_status status, T value) : outcome(status), value_(std::move(value)) {}

    using outcome::operator bool;
    using outcome::message;
    using outcome::status;

    /** Only when it went well. */
    T &operator*() noexcept { return value_; }
    const T &operator*() const noexcept { return value_; }
    T *operator->() noexcept { return &value_; }

#ifdef CHAT_HPP_EXCEPTIONS
    /** The value; throws chat::error when there is none. */
    T &value() &
    {
        outcome::value();
        return value_;
    }
    T value() &&
    {
        outcome::value();
        return std::move(value_);
    }
#endif

private:
    T value_;
};

inline const char *version() noexcept { return chat_version(); }
inline std::uint32_t version_number() noexcept { return chat_version_number(); }
inline const char *status_name(chat_status status) noexcept { return chat_status_name(status); }
inline const char *status_message(chat_status status) noexcept { return chat_status_message(status); }
inline bool status_retryable(chat_status status) noexcept { return chat_status_retryable(status) != 0; }

inline outcome set_log(chat_log_level level, chat_log_fn callback, void *user = nullptr)
{
    return outcome(chat_set_log(level, callback, user));
}

inline result<bytes> new_send_id()
{
    bytes id(16);
    chat_status status = chat_new_send_id(id.data());
    return result<bytes>(status, std::move(id));
}

/** An event of somebody else's, or an item of a list. It must not outlive what it was taken from. */
class event_view {
public:
    event_view() noexcept : handle_(nullptr) {}
    explicit event_view(const chat_event *handle) noexcept : handle_(handle) {}

    const chat_event *handle() const noexcept { return handle_; }
    explicit operator bool() const noexcept { return handle_ != nullptr; }

    chat_event_type type() const { return chat_event_get_type(handle_); }
    request_id request() const { return chat_event_request(handle_); }
    chat_status status() const { return chat_event_status(handle_); }
    chat_flags flags() const { return chat_event_flags(handle_); }
    bool has(chat_flags flag) const { return (flags() & flag) != 0; }

    std::string place() const { return {chat_event_place(handle_), chat_event_place_len(handle_)}; }
    std::string from() const { return {chat_event_from(handle_), chat_event_from_len(handle_)}; }
    std::string account() const { return {chat_event_account(handle_), chat_event_account_len(handle_)}; }
    std::string text() const { return {chat_event_text(handle_), chat_event_text_len(handle_)}; }
    std::string conversation() const
    {
        return {chat_event_conversation(handle_), chat_event_conversation_len(handle_)};
    }
    std::string label() const { return {chat_event_label(handle_), chat_event_label_len(handle_)}; }
    std::string reason() const { return {chat_event_reason(handle_), chat_event_reason_len(handle_)}; }
    std::string message() const { return {chat_event_message(handle_), chat_event_message_len(handle_)}; }
    std::string name() const { return {chat_event_name(handle_), chat_event_name_len(handle_)}; }
    std::string media_type() const
    {
        return {chat_event_media_type(handle_), chat_event_media_type_len(handle_)};
    }
    std::string fingerprint() const
    {
        return {chat_event_fingerprint(handle_), chat_event_fingerprint_len(handle_)};
    }
    std::string known_fingerprint() const
    {
        return {chat_event_known_fingerprint(handle_), chat_event_known_fingerprint_len(handle_)};
    }
    std::string next() const { return {chat_event_next(handle_), chat_event_next_len(handle_)}; }

    bytes send_id() const { return copy(chat_event_send_id(handle_), chat_event_send_id_len(handle_)); }
    bytes blob() const { return copy(chat_event_blob(handle_), chat_event_blob_len(handle_)); }
    bytes hash() const { return copy(chat_event_hash(handle_), chat_event_hash_len(handle_)); }

    std::uint64_t seq() const { return chat_event_seq(handle_); }
    std::uint64_t prev() const { return chat_event_prev(handle_); }
    std::uint64_t target() const { return chat_event_target(handle_); }
    std::uint64_t epoch() const { return chat_event_epoch(handle_); }
    std::chrono::system_clock::time_point time() const { return when(chat_event_time_ms(handle_)); }
    std::chrono::system_clock::time_point seen() const { return when(chat_event_seen_ms(handle_)); }
    /** The beginning of 1970 means: for ever. */
    std::chrono::system_clock::time_point until() const { return when(chat_event_until_ms(handle_)); }
    std::chrono::milliseconds retry() const { return std::chrono::milliseconds(chat_event_retry_ms(handle_)); }
    chat_role role() const { return chat_event_role(handle_); }
    chat_change change() const { return chat_event_change(handle_); }
    chat_presence presence() const { return chat_event_presence(handle_); }
    std::uint64_t size() const { return chat_event_size(handle_); }
    std::uint64_t transferred() const { return chat_event_transferred(handle_); }
    std::uint64_t head() const { return chat_event_head(handle_); }
    std::uint64_t read() const { return chat_event_read(handle_); }
    std::uint64_t delivered() const { return chat_event_delivered(handle_); }
    std::uint32_t unread() const { return chat_event_unread(handle_); }
    std::uint32_t mentions() const { return chat_event_mentions(handle_); }
    std::uint32_t members() const { return chat_event_members(handle_); }
    std::uint32_t devices() const { return chat_event_devices(handle_); }
    std::uint64_t device() const { return chat_event_device(handle_); }
    std::uint64_t count() const { return chat_event_count(handle_); }

    std::vector<event_view> items() const
    {
        std::vector<event_view> items(chat_event_item_count(handle_));
        for (std::size_t index = 0; index < items.size(); index++) {
            const chat_event *item = nullptr;
            if (chat_event_item(handle_, static_cast<std::uint32_t>(index), &item) == CHAT_OK)
                items[index] = event_view(item);
        }
        return items;
    }

    /** As `chat-cli --json` writes it. */
    std::string json() const
    {
        char *string = chat_event_to_json(handle_);
        std::string json(string == nullptr ? "" : string);
        chat_string_free(string);
        return json;
    }

private:
    static bytes copy(const std::uint8_t *from, std::size_t length)
    {
        return from == nullptr ? bytes() : bytes(from, from + length);
    }
    static std::chrono::system_clock::time_point when(std::int64_t milliseconds)
    {
        return std::chrono::system_clock::time_point(std::chrono::milliseconds(milliseconds));
    }

    const chat_event *handle_;
};

/** An event that was taken. */
class event : public event_view {
public:
    event() noexcept : owned_(nullptr) {}
    explicit event(chat_event *handle) noexcept : event_view(handle), owned_(handle) {}
    event(event &&other) noexcept : event_view(other), owned_(other.owned_) { other.let_go(); }
    event &operator=(event &&other) noexcept
    {
        if (this != &other) {
            chat_event_free(owned_);
            event_view::operator=(other);
            owned_ = other.owned_;
            other.let_go();
        }
        return *this;
    }
    event(const event &) = delete;
    event &operator=(const event &) = delete;
    ~event() { chat_event_free(owned_); }

private:
    void let_go() noexcept
    {
        event_view::operator=(event_view());
        owned_ = nullptr;
    }

    chat_event *owned_;
};

namespace detail {

/* What a client and a server have in common. */
template <class Handle, chat_status (*Next)(Handle *, std::int32_t, chat_event **), chat_status (*Free)(Handle *)>
class queue {
public:
    queue() noexcept : handle_(nullptr) {}
    explicit queue(Handle *handle) noexcept : handle_(handle) {}
    queue(queue &&other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
    queue &operator=(queue &&other) noexcept
    {
        if (this != &other) {
            Free(handle_);
            handle_ = other.handle_;
            other.handle_ = nullptr;
        }
        return *this;
    }
    queue(const queue &) = delete;
    queue &operator=(const queue &) = delete;
    ~queue() { Free(handle_); }

    Handle *handle() const noexcept { return handle_; }
    explicit operator bool() const noexcept { return handle_ != nullptr; }

    /** Waits for the next event as long as it takes. CHAT_CLOSED after the last one. */
    result<event> next_event() { return next(-1); }
    /** An event without a handle when there is none in time. */
    result<event> next_event(std::chrono::milliseconds timeout)
    {
        return next(static_cast<std::int32_t>(timeout.count()));
    }

    /** All events up to the last one: `for (const chat::event &event : client)`. */
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = event;
        using difference_type = std::ptrdiff_t;
        using pointer = event *;
        using reference = event &;

        explicit iterator(Handle *handle) : handle_(handle) { ++*this; }
        iterator() : handle_(nullptr) {}
        event &operator*() { return event_; }
        event *operator->() { return &event_; }
        iterator &operator++()
        {
            chat_event *taken = nullptr;
            do { /* nothing, where somebody interrupted */
                if (Next(handle_, -1, &taken) != CHAT_OK)
                    handle_ = nullptr;
            } while (handle_ != nullptr && taken == nullptr);
            event_ = event(taken);
            return *this;
        }
        bool operator!=(const iterator &other) const { return handle_ != other.handle_; }
        bool operator==(const iterator &other) const { return handle_ == other.handle_; }

    private:
        Handle *handle_;
        event event_;
    };
    iterator begin() { return iterator(handle_); }
    iterator end() { return iterator(); }

protected:
    template <class Function, class... Arguments>
    result<request_id> ask(Function function, Arguments... arguments)
    {
        request_id request = 0;
        chat_status status = function(handle_, arguments..., &request);
        return result<request_id>(status, request);
    }
    template <class Function, class... Arguments> outcome act(Function function, Arguments... arguments)
    {
        return outcome(function(handle_, arguments...));
    }

private:
    result<event> next(std::int32_t timeout_ms)
    {
        chat_event *taken = nullptr;
        chat_status status = Next(handle_, timeout_ms, &taken);
        return result<event>(status, event(taken));
    }

    Handle *handle_;
};

} // namespace detail

class server;

/** How a client connects; see chat_client_options. The strings must live until the client is made. */
struct client_options : chat_client_options {
    client_options() { chat_client_options_init(this, sizeof(chat_client_options)); }
    /** Talk to a server of this process. */
    inline client_options &in(const chat::server &host);
};

/** What a send can be given; see chat_send_options. The strings must live until it is sent. */
struct send_options : chat_send_options {
    send_options() { chat_send_options_init(this, sizeof(chat_send_options)); }
    send_options &replying_to(std::uint64_t seq)
    {
        reply_to = seq;
        return *this;
    }
    send_options &named(const bytes &id)
    {
        send_id = id.data();
        send_id_len = static_cast<std::uint32_t>(id.size());
        return *this;
    }
};

/** A client: one account on one server. */
class client : public detail::queue<chat_client, chat_client_next_event, chat_client_free> {
public:
    using queue::queue;
    using text = const std::string &;

    static result<client> open(const client_options &options)
    {
        chat_client *handle = nullptr;
        chat_status status = chat_client_new(&options, &handle);
        return result<client>(status, client(handle));
    }

    result<request_id> connect() { return ask(chat_client_connect); }
    int fd() const { return chat_client_fd(handle()); }
    outcome set_wakeup(chat_wakeup_fn callback, void *user = nullptr)
    {
        return act(chat_client_set_wakeup, callback, user);
    }
    outcome interrupt() { return act(chat_client_interrupt); }
    outcome close(std::chrono::milliseconds flush)
    {
        return act(chat_client_close, static_cast<std::uint32_t>(flush.count()));
    }
    chat_state state() const { return chat_client_state(handle()); }
    std::uint32_t open_requests() const { return chat_client_open_requests(handle()); }
    std::string account() const { return chat_client_account(handle()); }
    std::string fingerprint() const { return chat_client_fingerprint(handle()); }
    outcome trust(text fingerprint) { return act(chat_client_trust, detail::text(fingerprint)); }
    outcome cancel(request_id request) { return act(chat_client_cancel, request); }
    result<request_id> cancel_send(const bytes &id)
    {
        return ask(chat_client_cancel_send, id.data(), id.size());
    }

    outcome typing(text place) { return act(chat_client_typing, detail::text(place)); }
    outcome presence(chat_presence state, text says = std::string())
    {
        return act(chat_client_presence, state, detail::text_if(says));
    }

    result<request_id> send(text place, text says, const send_options &options = send_options())
    {
        return ask(chat_client_send, detail::text(place), detail::text(says), c(options));
    }
    result<request_id> edit(text place, std::uint64_t seq, text says, const send_options &options = send_options())
    {
        return ask(chat_client_edit, detail::text(place), seq, detail::text(says), c(options));
    }
    /** chat_client_delete: `delete` is a word of C++. */
    result<request_id> remove(text place, std::uint64_t seq, const send_options &options = send_options())
    {
        return ask(chat_client_delete, detail::text(place), seq, c(options));
    }
    result<request_id> react(text place, std::uint64_t seq, text emoji, const send_options &options = send_options())
    {
        return ask(chat_client_react, detail::text(place), seq, detail::text(emoji), c(options));
    }
    result<request_id> topic(text place, text says, const send_options &options = send_options())
    {
        return ask(chat_client_topic, detail::text(place), detail::text(says), c(options));
    }

    result<request_id> create(text room, bool is_public = true, chat_history history = CHAT_HISTORY_DEFAULT)
    {
        return ask(chat_client_create, detail::text(room), static_cast<std::int32_t>(is_public), history);
    }
    result<request_id> join(text room) { return ask(chat_client_join, detail::text(room)); }
    result<request_id> leave(text room) { return ask(chat_client_leave, detail::text(room)); }
    result<request_id> invite(text room, text account)
    {
        return ask(chat_client_invite, detail::text(room), detail::text(account));
    }
    result<request_id> kick(text room, text account)
    {
        return ask(chat_client_kick, detail::text(room), detail::text(account));
    }
    result<request_id> ban(text room, text account)
    {
        return ask(chat_client_ban, detail::text(room), detail::text(account));
    }
    result<request_id> unban(text room, text account)
    {
        return ask(chat_client_unban, detail::text(room), detail::text(account));
    }
    /** No time means: for ever. */
    result<request_id> mute(text room, text account, std::chrono::seconds time = std::chrono::seconds(0))
    {
        auto seconds = static_cast<std::uint64_t>(time.count());
        return ask(chat_client_mute, detail::text(room), detail::text(account), seconds);
    }
    result<request_id> unmute(text room, text account)
    {
        return ask(chat_client_unmute, detail::text(room), detail::text(account));
    }
    result<request_id> role(text room, text account, chat_role role)
    {
        return ask(chat_client_role, detail::text(room), detail::text(account), role);
    }

    /* Lists: `next` is what the page before said. */
    result<request_id> who(text next = std::string()) { return ask(chat_client_who, detail::text_if(next)); }
    result<request_id> members(text place, text next = std::string())
    {
        return ask(chat_client_members, detail::text(place), detail::text_if(next));
    }
    result<request_id> rooms(text next = std::string()) { return ask(chat_client_rooms, detail::text_if(next)); }
    result<request_id> conversations(text next = std::string())
    {
        return ask(chat_client_conversations, detail::text_if(next));
    }
    result<request_id> history(text place, chat_history_from from = CHAT_HISTORY_END, std::uint64_t seq = 0,
                                  std::uint32_t limit = 0)
    {
        return ask(chat_client_history, detail::text(place), from, seq, limit);
    }
    result<request_id> search(text words, text place = std::string(), text next = std::string())
    {
        return ask(chat_client_search, detail::text_if(place), detail::text(words), detail::text_if(next));
    }
    result<request_id> read(text place, std::uint64_t seq)
    {
        return ask(chat_client_read, detail::text(place), seq);
    }
    result<request_id> receipts(text place) { return ask(chat_client_receipts, detail::text(place)); }
    result<request_id> devices() { return ask(chat_client_devices); }
    result<request_id> revoke(std::uint64_t device) { return ask(chat_client_revoke, device); }
    /** An empty old password means: there is none. */
    result<request_id> password(text old_password, text new_password, bool keep_devices = false)
    {
        return ask(chat_client_password, detail::text_if(old_password), detail::text(new_password),
                   static_cast<std::int32_t>(keep_devices));
    }
    result<request_id> command(text name, text args = std::string(), text place = std::string())
    {
        return ask(chat_client_command, detail::text_if(place), detail::text(name), detail::text_if(args));
    }
    result<request_id> commands() { return ask(chat_client_commands); }
    result<request_id> outbox() { return ask(chat_client_outbox); }

    /** An empty name is the last part of the path, an empty type is unknown. */
    result<request_id> send_file(text place, text path, text name = std::string(), text media_type = std::string())
    {
        return ask(chat_client_send_file, detail::text(place), detail::text(path), detail::text_if(name),
                   detail::text_if(media_type));
    }
    /** Empty texts mean none, as above. */
    result<request_id> send_file_with(text place, text path, text name, text media_type, const send_options &options)
    {
        return ask(chat_client_send_file_with, detail::text(place), detail::text(path), detail::text_if(name),
                   detail::text_if(media_type), c(options));
    }
    result<request_id> fetch(const bytes &blob, text path)
    {
        return ask(chat_client_fetch, blob.data(), blob.size(), detail::text(path));
    }
    result<request_id> request_json(text line) { return ask(chat_client_request_json, detail::text(line)); }

private:
    static const chat_send_options *c(const send_options &options) { return &options; }
};

/** How a server runs; see chat_server_options. The strings must live until the server is made. */
struct server_options : chat_server_options {
    server_options() { chat_server_options_init(this, sizeof(chat_server_options)); }
};

/** What is counted of a server; see chat_server_stats. */
struct server_stats : chat_server_stats {
    server_stats() { chat_server_stats_init(this, sizeof(chat_server_stats)); }
};

/** A server inside of this program. */
class server : public detail::queue<chat_server, chat_server_next_event, chat_server_free> {
public:
    using queue::queue;
    using text = const std::string &;

    static result<server> open(const server_options &options = server_options())
    {
        chat_server *handle = nullptr;
        chat_status status = chat_server_new(&options, &handle);
        return result<server>(status, server(handle));
    }

    outcome start() { return act(chat_server_start); }
    outcome stop() { return act(chat_server_stop); }
    std::string address(std::uint32_t index = 0) const { return chat_server_address(handle(), index); }
    std::string fingerprint() const { return chat_server_fingerprint(handle()); }
    outcome add_plugin(const chat_plugin &plugin, const char *config_json = nullptr)
    {
        return act(chat_server_add_plugin, &plugin, config_json);
    }
    outcome serve_fd(int fd) { return act(chat_server_serve_fd, fd); }
    int fd() const { return chat_server_fd(handle()); }
    outcome set_wakeup(chat_wakeup_fn callback, void *user = nullptr)
    {
        return act(chat_server_set_wakeup, callback, user);
    }
    outcome interrupt() { return act(chat_server_interrupt); }
    result<server_stats> stats() const
    {
        server_stats stats;
        chat_status status = chat_server_get_stats(handle(), &stats);
        return result<server_stats>(status, stats);
    }

    /** Without a password it can't log in before it has one. */
    result<request_id> add_account(text account, text password, chat_rights rights = CHAT_RIGHTS_USER)
    {
        return ask(chat_server_add_account, detail::text(account), detail::text_if(password), rights);
    }
    result<request_id> set_password(text account, text password)
    {
        return ask(chat_server_set_password, detail::text(account), detail::text(password));
    }
    result<request_id> remove_account(text account)
    {
        return ask(chat_server_remove_account, detail::text(account));
    }
    result<request_id> set_rights(text account, chat_rights rights)
    {
        return ask(chat_server_set_rights, detail::text(account), rights);
    }
    result<request_id> accounts(text next = std::string())
    {
        return ask(chat_server_accounts, detail::text_if(next));
    }
    result<request_id> invite(std::uint32_t uses, std::chrono::seconds time)
    {
        return ask(chat_server_invite, uses, static_cast<std::uint64_t>(time.count()));
    }
    result<request_id> rooms(text next = std::string()) { return ask(chat_server_rooms, detail::text_if(next)); }
    result<request_id> members(text room, text next = std::string())
    {
        return ask(chat_server_members, detail::text(room), detail::text_if(next));
    }
    result<request_id> kick(text room, text account)
    {
        return ask(chat_server_kick, detail::text(room), detail::text(account));
    }
    result<request_id> ban(text room, text account)
    {
        return ask(chat_server_ban, detail::text(room), detail::text(account));
    }
    result<request_id> unban(text room, text account)
    {
        return ask(chat_server_unban, detail::text(room), detail::text(account));
    }
    /** No time means: for ever. */
    result<request_id> mute(text room, text account, std::chrono::seconds time = std::chrono::seconds(0))
    {
        auto seconds = static_cast<std::uint64_t>(time.count());
        return ask(chat_server_mute, detail::text(room), detail::text(account), seconds);
    }
    result<request_id> unmute(text room, text account)
    {
        return ask(chat_server_unmute, detail::text(room), detail::text(account));
    }
    result<request_id> role(text room, text account, chat_role role)
    {
        return ask(chat_server_role, detail::text(room), detail::text(account), role);
    }
    result<request_id> set_registration(chat_registration registration)
    {
        return ask(chat_server_set_registration, registration);
    }
    result<request_id> backup(text folder) { return ask(chat_server_backup, detail::text(folder)); }
};

inline client_options &client_options::in(const chat::server &host)
{
    server = host.handle();
    return *this;
}

} // namespace chat

#endif
