"""The codec against the frames that the engine pins, and against PROTOCOL.md."""

import pathlib
import re
import unittest

import wire_codec as wire

ROOT = pathlib.Path(__file__).resolve().parents[2]


def vectors():
    text = (ROOT / "engine/src/wire/vectors.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: bytes.fromhex(frame) for name, _, frame in (l.partition(" = ") for l in lines)}


class Vectors(unittest.TestCase):
    def test_each_frame_is_read_and_written_back(self):
        seen = set()
        for name, frame in vectors().items():
            with self.subTest(name):
                kind, request, fields = wire.decode_frame(frame)
                seen.add(kind)
                self.assertEqual(wire.encode_frame(kind, request, **fields), frame)
        self.assertEqual(seen, set(wire.TAGS))

    def test_each_cut_and_each_byte_more_is_refused(self):
        for name, frame in vectors().items():
            for size in range(2, len(frame)):
                cut = (size - 2).to_bytes(2, "big") + frame[2:size]
                with self.subTest(name, size=size), self.assertRaises(wire.Malformed):
                    wire.decode_frame(cut)
            longer = (len(frame) - 1).to_bytes(2, "big") + frame[2:] + b"\0"
            with self.subTest(name), self.assertRaises(wire.Malformed):
                wire.decode_frame(longer)

    def test_the_values_are_those_that_were_meant(self):
        frames = {name: wire.decode_frame(frame) for name, frame in vectors().items()}
        _, request, send = frames["to_server.send_reply_again"]
        self.assertEqual(request, 0x01020304)
        self.assertEqual(send["target"], ("conversation", b"\x11" * 16))
        self.assertTrue(send["again"])
        self.assertEqual(send["body"]["data"].decode(), "grüße")
        self.assertEqual(send["body"]["target"], 251)
        _, _, sealed = frames["to_server.send_sealed"]
        self.assertEqual(sealed["body"]["kind"], 40_000)
        self.assertEqual(sealed["body"]["target"], 70_000)
        self.assertEqual(sealed["body"]["ext"], [(9, b"\1\2\3"), (500, b"")])
        _, _, welcome = frames["to_client.welcome"]
        self.assertEqual(welcome["device"], 0xFEDCBA9876543210)
        self.assertEqual(welcome["date"], 1_700_000_000_123_456)
        self.assertEqual((welcome["sends"], welcome["frame"]), (256, 61_440))
        _, request, error = frames["to_client.error_for_now"]
        self.assertEqual((request, error["code"], error["retry_ms"]), (3, 60, 1500))
        _, _, page = frames["to_client.history_page"]
        first, second = page["items"]
        self.assertEqual(first["reactions"], [{"emoji": "👍", "accounts": ["ann", "bob"]}])
        self.assertEqual(second["entry"]["body"]["ext"], [(1, b"")])

    def test_unknown_frames(self):
        self.assertEqual(wire.decode_frame(b"\0\3\x10\0x"), (None, None, {}))
        with self.assertRaises(wire.Malformed):
            wire.decode_frame(b"\0\3\x90\0x")


class Page(unittest.TestCase):
    """What this client is written from says the same as this client."""

    page = (ROOT / "PROTOCOL.md").read_text()

    def test_tags(self):
        rows = re.findall(r"^\| (0x\w{4}) \| (\w+) \|", self.page, re.M)
        self.assertEqual({name: int(tag, 16) for tag, name in rows}, wire.TAGS)

    def test_layouts(self):
        found = {}
        for block in re.findall(r"```text\n(.*?)```", self.page, re.S):
            # A layout goes on in lines that are indented.
            for line in re.sub(r",\n\s+", ", ", block).splitlines():
                names, _, layout = line.partition("  ")
                for name in names.split(","):
                    found[name.strip()] = layout
        for name, layout in re.findall(r"^\| (\w+) \| ([^|]*\bext) \|", self.page, re.M):
            found[name] = layout
        for name, layout in {**wire.LAYOUTS, **wire.PARTS}.items():
            with self.subTest(name):
                self.assertEqual(normal(found[name]), normal(layout))


def normal(layout):
    layout = re.sub(r"\((at most|1 |request id)[^)]*\)", "", layout)
    layout = re.sub(r"\blist\s+of\b", "list", layout)
    return re.sub(r"\s*([,()])\s*", r"\1 ", re.sub(r"\s+", " ", layout)).strip()


if __name__ == "__main__":
    unittest.main()
