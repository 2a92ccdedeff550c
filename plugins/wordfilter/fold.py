#!/usr/bin/env python3
"""Writes fold.h: simple case folding of Unicode, as ranges. Run it when Python knows a newer Unicode."""

import unicodedata

pairs = {}
for code in range(0x80, 0x110000):
    folded = chr(code).casefold()
    if len(folded) == 1 and ord(folded) != code:
        pairs[code] = ord(folded)
# Letters of full width are the same letters, for a reader.
for code in range(0xFF01, 0xFF5F):
    pairs[code] = ord(chr(code - 0xFEE0).lower())

ranges = []  # first, last, step, delta
for code in sorted(pairs):
    delta = pairs[code] - code
    if ranges:
        first, last, step, same = ranges[-1]
        gap = code - last
        if delta == same and gap <= 2 and (first == last or gap == step):
            ranges[-1] = (first, code, gap, delta)
            continue
    ranges.append((code, code, 1, delta))

print("/* Made by fold.py: simple case folding of Unicode %s. */" % unicodedata.unidata_version)
print()
print("static const struct {")
print("    uint32_t first, last, step;")
print("    int32_t delta;")
print("} FOLDS[] = {")
for row in ranges:
    print("    {0x%04x, 0x%04x, %d, %d}," % row)
print("};")
