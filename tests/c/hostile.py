#!/usr/bin/env python3
"""Writes a C program that calls every function of chat.h with what it must refuse.

    hostile.py CHAT.H SYMBOLS.TXT > hostile_calls.h

A function, or a type of parameter, that is not known here ends it with an error: nothing of the header goes
unnoticed. hostile.c runs what comes out.
"""
import re
import sys

HANDLES = {"struct chat_client": "client", "struct chat_server": "server", "struct chat_event": "event"}
# Functions that refuse nothing: they take no pointer, or any number is good for them.
HARMLESS = {
    "chat_version": "", "chat_version_number": "", "chat_last_error": "",
    "chat_status_name": "-1", "chat_status_message": "INT32_MIN", "chat_status_retryable": "INT32_MAX",
    "chat_string_free": "NULL",
}
# Accessors that answer a bad handle with -1.
MINUS_ONE = {"chat_client_fd", "chat_server_fd", "chat_client_state"}
WRONG_NUMBERS = {
    "chat_history": "99", "chat_history_from": "99", "chat_role": "99", "chat_presence": "99",
    "chat_rights": "99", "chat_registration": "99", "chat_log_level": "99",
}
GOOD_NUMBERS = {
    "chat_history": "CHAT_HISTORY_DEFAULT", "chat_history_from": "CHAT_HISTORY_END",
    "chat_role": "CHAT_ROLE_MEMBER", "chat_presence": "CHAT_PRESENCE_ONLINE",
    "chat_rights": "CHAT_RIGHTS_USER", "chat_registration": "CHAT_REGISTRATION_OPEN",
    "chat_log_level": "CHAT_LOG_ERROR",
    "int32_t": "0", "uint32_t": "0", "uint64_t": "1", "size_t": "16",
}
GOOD_TEXTS = {
    "place": '"lobby"', "room": '"lobby"', "account": '"ann"', "text": '"hi"', "emoji": '"+1"',
    "password": "PASSWORD", "old_password": "PASSWORD", "new_password": "PASSWORD", "name": '"name"',
    "args": '""', "path": '"/nowhere/at/all"', "folder": '"/nowhere/at/all"', "media_type": '"text/plain"',
    "fingerprint": "chat_server_fingerprint(good_server)", "line": '"{}"', "next": "NULL",
    "config_json": "NULL",
}


def functions(header):
    """(return type, name, [(type, name)], documentation) of each function."""
    pattern = r"/\*\*((?:(?!\*/).)*)\*/\s*CHAT_API\s+([^;{(]*?)(chat_\w+)\(([^;]*?)\)\s*;"
    for doc, result, name, parameters in re.findall(pattern, header, re.S):
        found = []
        for parameter in re.sub(r"\s+", " ", parameters).split(","):
            if parameter.strip() != "void":
                type_, argument = re.match(r"(.*?)(\w+)$", parameter.strip()).groups()
                found.append((type_.strip(), argument))
        yield result.strip(), name, found, doc


def may_be_null(doc, argument):
    said = re.search(rf"@param {argument} ((?:(?!\n \* @).)*)", doc, re.S)
    return bool(said and re.search(r"\bNULL\b", said[1]))


def good(type_, argument, function):
    bare = type_.replace("const ", "")
    if type_.endswith("**"):
        return f"({type_})(void *)&out"
    if bare.endswith("*") and bare[:-1].strip() in HANDLES:
        return f"good_{HANDLES[bare[:-1].strip()]}"
    if type_ == "const char *":
        return GOOD_TEXTS[argument]
    if type_ == "const uint8_t *":
        return "sixteen"
    if type_ == "uint8_t *":
        return "(uint8_t *)scratch"
    if type_ == "uint64_t *":
        return "&request"
    if type_ in ("chat_log_fn", "chat_wakeup_fn") or type_ == "void *":
        return "NULL"
    if argument == "fd":
        return "-1"
    if argument == "size" and function.endswith("_init"):
        return f"sizeof(struct {function[:-5]})"
    if type_ == "const chat_plugin *":
        return "(const chat_plugin *)(void *)scratch"
    if bare.startswith("struct "):
        return "NULL" if "send_options" in bare else f"({type_})(void *)scratch"
    return GOOD_NUMBERS[type_]


def bad(type_, argument, doc, function):
    """Pairs of an expression, and a loop that it stands in, or ""."""
    bare = type_.replace("const ", "")
    null = [] if may_be_null(doc, argument) else [("NULL", "")]
    if type_.endswith("**"):
        return [("NULL", "")]
    if bare.endswith("*") and bare[:-1].strip() in HANDLES:
        kind = HANDLES[bare[:-1].strip()]
        loop = "for (size_t i = 0; i < WRONG; i++)"
        wrong = [(f"({type_})wrong_handle(KIND_{kind.upper()}, i)", loop)]
        # Freeing nothing is no mistake.
        return wrong if function.endswith("_free") else [*wrong, ("NULL", "")]
    if type_ == "const char *":
        return [*null, ("bad_texts[i]", "for (size_t i = 0; i < BAD_TEXTS; i++)"), ("long_text", "")]
    if type_ == "const chat_plugin *":
        return [("NULL", ""), ("(const chat_plugin *)(void *)scratch", "")]
    if type_ == "const uint8_t *":
        return null
    if type_ == "uint8_t *":
        return [("NULL", "")]
    if type_ == "uint64_t *":
        return []
    if type_ == "size_t":
        return [("bad_lengths[i]", "for (size_t i = 0; i < BAD_LENGTHS; i++)")]
    if argument == "fd":
        return [("-1", ""), ("INT32_MAX", ""), ("INT32_MIN", ""), ("not_a_socket", "")]
    if argument == "size" and function.endswith("_init"):
        return [(size, "") for size in ("0", "1", "3", "0xffffffffu", "0x80000000u")]
    if bare.startswith("struct ") and function.endswith("_init"):
        return [("NULL", "")]
    if bare.startswith("struct "):
        what = bare[len("struct "):].rstrip("* ")
        return [*null, (f"bad_{what}(i)", f"for (size_t i = 0; i < BAD_{what.upper()}; i++)")]
    if type_ in WRONG_NUMBERS:
        return [(WRONG_NUMBERS[type_], ""), ("(" + type_ + ")-1", "")]
    if type_ in ("int32_t", "uint32_t", "uint64_t", "chat_log_fn", "chat_wakeup_fn", "void *"):
        return []
    raise SystemExit(f"{function}: what is bad for a {type_}?")


def check(result, name, call):
    if result == "chat_status":
        return f"refused({name}, {call});"
    if result == "const char *":
        return f"empty({name}, {call});"
    if result in ("const uint8_t *", "char *"):
        return f"nothing({name}, {call});"
    expected = "-1" if name in MINUS_ONE else "0"
    return f"answers({name}, {call}, {expected});"


def fields(header, struct):
    body = re.search(rf"typedef struct {struct} {{(.*?)}} {struct};", header, re.S)[1]
    return re.findall(r"const char \*(\w+);", re.sub(r"/\*.*?\*/", "", body, flags=re.S))


def main():
    header, symbols = (open(path, encoding="utf-8").read() for path in sys.argv[1:3])
    found = list(functions(header))
    names = [name for _, name, _, _ in found]
    exported = set(symbols.split())
    if exported != set(names):
        raise SystemExit(f"not in both the header and the symbols: {sorted(exported ^ set(names))}")
    print("/* Generated by hostile.py from chat.h. */")
    for struct in ("chat_client_options", "chat_server_options", "chat_send_options"):
        texts = fields(header, struct)
        listed = ", ".join(f"offsetof(struct {struct}, {text})" for text in texts)
        print(f"static const size_t texts_of_{struct}[] = {{{listed}}};")
    print("enum {", ", ".join(f"number_{name}" for name in names), ", FUNCTIONS };")
    print("static const char *const function_names[] = {", ", ".join(f'"{name}"' for name in names), "};")
    for result, name, parameters, doc in found:
        lines = []
        if name in HARMLESS:
            call = f"{name}({HARMLESS[name]})"
            lines.append(f"counted({name}); {call if result == 'void' else '(void)' + call};")
        for index in range(len(parameters)):
            type_, argument = parameters[index]
            if name in HARMLESS:
                continue
            for expression, loop in bad(type_, argument, doc, name):
                arguments = [good(*parameter, name) for parameter in parameters]
                arguments[index] = expression
                call = f"{name}({', '.join(arguments)})"
                lines.append(f"{loop} {check(result, name, call)}".strip())
        if not lines:
            raise SystemExit(f"{name}: nothing bad to call it with; say in HARMLESS why")
        print(f"static void try_{name}(void)\n{{")
        print("    struct chat_event *out = CANARY; uint64_t request = CANARY_NUMBER;")
        print("    uint64_t scratch[1024]; memset(scratch, 0, sizeof scratch);")
        for line in lines:
            print(f"    {line}")
        print("    CHECK(out == CANARY && request == CANARY_NUMBER);\n    (void)scratch;\n}")
    print("static void (*const trials[])(void) = {", ", ".join(f"try_{name}" for name in names), "};")


main()
