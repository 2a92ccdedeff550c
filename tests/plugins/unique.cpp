// g++ makes the static in the inline function unique in the whole process.
#include <chat_plugin.h>

inline int count()
{
    static int calls = 0;
    return ++calls;
}

static chat_status init(const chat_host *, void **)
{
    return count() > 0 ? CHAT_OK : CHAT_MISUSE;
}

CHAT_PLUGIN_DECLARE("org.example.unique", "Unique", "1.0", "MIT", 0, init, nullptr);
