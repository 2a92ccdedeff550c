#!/usr/bin/env python3
"""What is in libchat.so, part by part: code and constants that have names, then what belongs to none.

usage: tests/embedding/parts.py [LIBRARY]    after `make`; needs binutils

A function belongs to the first crate that its name names; generic code of the standard library goes to the crate
that it was made for, where the name tells.
"""

import collections
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# The first that fits.
PARTS = (
    ("plugin host", r"chat_plugins?|chat_plugin_abi"),
    ("client and server (`engine/`)", r"chat_engine"),
    ("C API (`ffi/`)", r"chat"),
    ("SQLite", r"rusqlite|libsqlite3_sys"),
    ("ciphers, Noise, hashes", r"orion|snow|blake3|aws_lc\w*|chat_x25519|fiat_crypto|subtle|ct_codecs"),
    ("executor, reactor, queues", r"async_\w+|blocking|event_listener\w*|polling|piper|futures\w*|concurrent_queue"),
    ("names (RFC 8265)", r"precis_\w+|unicode_\w+"),
    ("JSON, dates", r"serde\w*|jiff\w*|zmij|itoa|ryu"),
    ("backtraces of panics", r"gimli|addr2line|rustc_demangle|miniz_oxide|object"),
)
STD = "standard library, and code made of it whose name does not tell for whom"
SECTIONS = {
    ".eh_frame": "tables for panics to unwind by", ".eh_frame_hdr": "tables for panics to unwind by",
    ".gcc_except_table": "tables for panics to unwind by",
    ".rela.dyn": "relocations", ".data.rel.ro": "tables of pointers", ".rodata": "constants", ".text": "code",
}


def main():
    library = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET / "release/libchat.so"
    owners = {name: part for part, pattern in (("SQLite", "libsqlite3.a"), ("ciphers, Noise, hashes", "libaws_lc*.a"))
              for name in names_in(library.parent, pattern)}
    sizes, seen = collections.Counter(), set()
    raw = lines("nm", "-S", "--size-sort", library)
    plain = lines("nm", "-S", "--size-sort", "--demangle", library)
    for mangled, readable in zip(raw, plain):
        place, size, kind, name = mangled.split(" ", 3)
        # Two names of one place are one thing, and zeros are not in the file.
        if place in seen or kind in "bB":
            continue
        seen.add(place)
        sizes[part_of(name, readable.split(" ", 3)[3], owners)] += int(size, 16)
    print("| part | KB |\n|---|---|")
    for part, size in sizes.most_common():
        print(f"| {part} | {size / 1000:.0f} |")
    rest = collections.Counter()
    for line in lines("size", "-A", library):
        words = line.split()
        if len(words) == 3 and words[0] in SECTIONS:
            rest[SECTIONS[words[0]]] += int(words[1])
    print("\nBy section: " + ", ".join(f"{part} {size / 1000:.0f} KB" for part, size in rest.most_common()))


def part_of(mangled, readable, owners):
    base = re.sub(r"\.(constprop|isra|part|cold|\d).*$", "", mangled)
    if base in owners:
        return owners[base]
    for crate in re.findall(r"\b([a-z_0-9]+)(?:\[[0-9a-f]+\])?::", readable):
        for part, pattern in PARTS:
            if re.fullmatch(pattern, crate):
                return part
    if mangled.startswith("chat_"):
        return "C API (`ffi/`)"
    return STD


def names_in(folder, pattern):
    for archive in folder.glob(f"build/*/out/**/{pattern}"):
        for line in lines("nm", archive):
            words = line.split()
            if len(words) == 3:
                yield words[2]


def lines(*command):
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [line for line in done.stdout.splitlines() if line]


if __name__ == "__main__":
    main()
