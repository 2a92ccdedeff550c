// Dice: /roll [N]d[SIDES][+K|-K] throws N dice, 1d6 when nothing is said.
//
//     [plugin.dice]
//     answer    = "room"   # everybody in the room sees the throw; "caller": who threw, alone
//     max_dice  = 100      # 1 to 1000
//     max_sides = 1000     # 2 to 1000000
//
// Outside a room only the caller is answered. With "room" the throw is an entry of the account `plugin.dice`.

#include <chat_plugin.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

struct Throw {
    std::uint32_t dice = 1;
    std::uint32_t sides = 6;
    std::int32_t plus = 0;
};

// Takes a number from the front of `text`. Nothing when there is none or it is too large.
template <typename Number> std::optional<Number> take_number(std::string_view &text)
{
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc())
        return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

bool is_digit(std::string_view text)
{
    return !text.empty() && text.front() >= '0' && text.front() <= '9';
}

// "2d6+1", "d20", "3", or nothing at all.
std::optional<Throw> parse(std::string_view text)
{
    Throw wanted;
    while (!text.empty() && text.front() == ' ')
        text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ')
        text.remove_suffix(1);
    if (is_digit(text)) {
        const auto dice = take_number<std::uint32_t>(text);
        if (!dice)
            return std::nullopt;
        wanted.dice = *dice;
    }
    if (!text.empty() && (text.front() == 'd' || text.front() == 'D')) {
        text.remove_prefix(1);
        const auto sides = is_digit(text) ? take_number<std::uint32_t>(text) : std::nullopt;
        if (!sides)
            return std::nullopt;
        wanted.sides = *sides;
    }
    if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
        const bool is_minus = text.front() == '-';
        text.remove_prefix(1);
        const auto plus = is_digit(text) ? take_number<std::int32_t>(text) : std::nullopt;
        if (!plus || *plus > 1'000'000)
            return std::nullopt;
        wanted.plus = is_minus ? -*plus : *plus;
    }
    if (!text.empty())
        return std::nullopt;
    return wanted;
}

class Dice {
public:
    explicit Dice(const chat_host *host)
        : notice_(static_cast<const chat_ext_notice *>(host->extension(host, "chat.notice/1"))),
          random_(std::random_device{}())
    {
        if (notice_ == nullptr)
            throw std::runtime_error("it needs chat.notice/1: the server is too old");
        configure(host);
    }

    // Throws a text for the operator, and then has changed nothing.
    void configure(const chat_host *host)
    {
        const char *answer = host->config(host, "answer");
        const std::string_view word = answer != nullptr ? answer : "room";
        if (word != "room" && word != "caller")
            throw std::runtime_error("answer = \"" + std::string(word) + "\": it is \"room\" or \"caller\"");
        const auto dice = number(host, "max_dice", 100, 1, 1000);
        const auto sides = number(host, "max_sides", 1000, 2, 1'000'000);
        tells_room_ = word == "room";
        max_dice_ = dice;
        max_sides_ = sides;
    }

    chat_verdict roll(const chat_host *host, const chat_plugin_event *event)
    {
        const std::string_view args = event->args != nullptr ? event->args : "";
        const auto wanted = parse(args);
        if (!wanted)
            return refuse(host, event, "that is no throw: /roll 2d6+1");
        if (wanted->dice < 1 || wanted->dice > max_dice_)
            return refuse(host, event, "1 to " + std::to_string(max_dice_) + " dice");
        if (wanted->sides < 2 || wanted->sides > max_sides_)
            return refuse(host, event, "2 to " + std::to_string(max_sides_) + " sides");

        const std::string from = event->from != nullptr ? event->from : "somebody";
        const std::string text = from + " rolls " + thrown(*wanted);
        const bool is_public = tells_room_ && event->room != nullptr;
        const chat_status status =
            is_public ? host->send(host, event->room, nullptr, text.c_str()) : notice_->reply(host, event, text.c_str());
        if (status != CHAT_OK)
            return refuse(host, event, "the dice fell off the table, try again later");
        return CHAT_HANDLED;
    }

private:
    static chat_verdict refuse(const chat_host *host, const chat_plugin_event *event, const std::string &reason)
    {
        host->set_reason(host, event, reason.c_str());
        return CHAT_REJECT;
    }

    static std::uint32_t number(const chat_host *host, const char *key, std::uint32_t usual, std::uint32_t low,
                                std::uint32_t high)
    {
        const char *written = host->config(host, key);
        if (written == nullptr)
            return usual;
        std::string_view text = written;
        const auto value = take_number<std::uint32_t>(text);
        if (!value || !text.empty() || *value < low || *value > high)
            throw std::runtime_error(std::string(key) + " = " + written + ": it is a whole number from " +
                                     std::to_string(low) + " to " + std::to_string(high));
        return *value;
    }

    // "2d6+1: 3 + 5 + 1 = 9"; of many dice the sum alone.
    std::string thrown(const Throw &wanted)
    {
        constexpr std::uint32_t shown = 20;
        std::uniform_int_distribution<std::uint32_t> die(1, wanted.sides);
        std::int64_t sum = wanted.plus;
        std::string each;
        for (std::uint32_t i = 0; i < wanted.dice; i++) {
            const std::uint32_t value = die(random_);
            sum += value;
            if (wanted.dice <= shown)
                each += (each.empty() ? "" : " + ") + std::to_string(value);
        }
        std::string name = std::to_string(wanted.dice) + "d" + std::to_string(wanted.sides);
        if (wanted.plus != 0) {
            const std::string amount = std::to_string(wanted.plus < 0 ? -wanted.plus : wanted.plus);
            name += (wanted.plus < 0 ? "-" : "+") + amount;
            if (!each.empty())
                each += (wanted.plus < 0 ? " - " : " + ") + amount;
        }
        if (each.empty() || (wanted.dice == 1 && wanted.plus == 0))
            return name + ": " + std::to_string(sum);
        return name + ": " + each + " = " + std::to_string(sum);
    }

    const chat_ext_notice *notice_;
    std::mt19937 random_;
    bool tells_room_ = true;
    std::uint32_t max_dice_ = 0;
    std::uint32_t max_sides_ = 0;
};

// No exception may cross into the server, which is not written in C++.

chat_verdict roll(void *self, const chat_host *host, const chat_plugin_event *event)
{
    try {
        return static_cast<Dice *>(self)->roll(host, event);
    } catch (const std::exception &error) {
        host->log(host, CHAT_LOG_ERROR, error.what());
        return CHAT_FAULT;
    }
}

chat_verdict reload(void *self, const chat_host *host, const chat_plugin_event *)
{
    try {
        static_cast<Dice *>(self)->configure(host);
    } catch (const std::exception &error) {
        host->log(host, CHAT_LOG_ERROR, error.what());
        host->log(host, CHAT_LOG_WARN, "the old settings stay");
    }
    return CHAT_PASS;
}

chat_status init(const chat_host *host, void **self)
{
    try {
        auto dice = std::make_unique<Dice>(host);
        const auto *command = static_cast<const chat_ext_command *>(host->extension(host, "chat.command/1"));
        if (command == nullptr)
            throw std::runtime_error("it needs chat.command/1: the server is too old");
        chat_status status = command->add(host, "roll", "[N]d[SIDES][+K]", "throws dice, 1d6 by default", roll);
        if (status == CHAT_OK)
            status = host->hook(host, CHAT_HOOK_RELOAD, 0, reload);
        if (status == CHAT_OK)
            *self = dice.release();
        return status;
    } catch (const std::exception &error) {
        host->log(host, CHAT_LOG_ERROR, error.what());
        return CHAT_MISUSE;
    }
}

void destroy(void *self, const chat_host *)
{
    delete static_cast<Dice *>(self);
}

} // namespace

CHAT_PLUGIN_DECLARE("org.libchat.dice", "Dice", "1.0", "MIT OR Apache-2.0",
                    CHAT_CAP_COMMAND | CHAT_CAP_SEND | CHAT_CAP_NOTICE, init, destroy);
