"""Reads chat.h: what the other descriptions of the same interface are compared with."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = ROOT / "include/chat.h"
# chat.h includes it: what both programs and plugins use is there.
PLUGIN = ROOT / "include/chat_plugin.h"
FOR_PLUGINS = r"(PLUGIN|HOOK|KIND|CAP|FLAG)_(?!ONLINE)|PASS|MODIFIED|REJECT|HANDLED|DEFER$"


def functions():
    """(what it returns, its name without `chat_`, what it takes) of each function, in short words."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    found = []
    for declaration in re.findall(r"CHAT_API\s+([^;]*?);", text):
        declaration = " ".join(declaration.split())
        result, name, arguments = re.match(r"(.*?)\bchat_(\w+)\((.*)\)$", declaration).groups()
        words = [] if arguments == "void" else [re.match(r"(.*?)\w+$", word.strip()).group(1) for word in arguments.split(",")]
        found.append((word_for(result), name, [word_for(word) for word in words]))
    return found


def constants():
    """Name without `CHAT_` to number."""
    own, shared = (re.findall(r"^#define CHAT_([A-Z0-9_]+) (\d+)$", file.read_text(), flags=re.M) for file in (HEADER, PLUGIN))
    return {name: int(value) for name, value in own + [pair for pair in shared if not re.match(FOR_PLUGINS, pair[0])]}


def word_for(c_type):
    c_type = " ".join(c_type.replace("struct ", "").split())
    words = {
        "void": "void", "int32_t": "i32", "uint32_t": "u32", "int64_t": "i64", "uint64_t": "u64", "size_t": "size",
        "const char *": "text", "char *": "string", "const uint8_t *": "bytes", "void *": "pointer",
        "const chat_plugin *": "pointer",
        "chat_log_fn": "log_fn", "chat_wakeup_fn": "wakeup_fn",
        "chat_flags": "u32", "chat_registration": "u32", "chat_trust": "u32",
    }
    if c_type in words:
        return words[c_type]
    if re.fullmatch(r"(const )?chat_(client|server|event) \*", c_type):
        return "handle"
    return "out" if c_type.endswith("*") else "i32"
