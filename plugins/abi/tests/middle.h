#include <stddef.h>
#include <stdint.h>

typedef struct chat_plugin chat_plugin;
typedef struct chat_host chat_host;
typedef struct chat_plugin_event chat_plugin_event;
typedef struct chat_ext_command chat_ext_command;
typedef struct chat_ext_defer chat_ext_defer;
typedef struct chat_ext_kv chat_ext_kv;
typedef struct chat_ext_metrics chat_ext_metrics;
typedef struct chat_ext_notice chat_ext_notice;
typedef struct chat_ext_timer chat_ext_timer;
