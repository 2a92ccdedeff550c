/* Whether the server's `host` has a field: servers older than this header lack the last ones. */
#define CHAT_HAS(host, field) \
    ((size_t)(host)->size >= offsetof(chat_host, field) + sizeof((host)->field))

/* The same for the fields of an event. */
#define CHAT_PLUGIN_EVENT_HAS(event, field) \
    ((size_t)(event)->size >= offsetof(chat_plugin_event, field) + sizeof((event)->field))

#if defined(_WIN32)
#define CHAT_PLUGIN_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define CHAT_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define CHAT_PLUGIN_EXPORT
#endif

#if defined(__cplusplus)
#define CHAT_PLUGIN_LINKAGE extern "C"
#else
#define CHAT_PLUGIN_LINKAGE extern
#endif

/* Declares the plugin, once, at the end of its source; `destroy` may be NULL. */
#define CHAT_PLUGIN_DECLARE(id, name, version, license, capabilities, init, destroy) \
    CHAT_PLUGIN_DECLARE_STATEFUL(id, name, version, license, capabilities, init, destroy, NULL, NULL)

/* The same for one that hands its state over to the next version of itself. */
#define CHAT_PLUGIN_DECLARE_STATEFUL(id, name, version, license, capabilities, init, destroy, save, restore) \
    CHAT_PLUGIN_LINKAGE CHAT_PLUGIN_EXPORT const chat_plugin chat_plugin_v1; \
    const chat_plugin chat_plugin_v1 = {(uint32_t)sizeof(chat_plugin), CHAT_PLUGIN_ABI, id, name, version, \
                                        license, capabilities, 0, init, destroy, save, restore}
