"""A screen without a monitor: Xvfb, whose picture is read from its memory file."""

import pathlib
import struct
import subprocess
import tempfile
import time
import zlib


class Screen:
    """Runs Xvfb for as long as the `with` lasts; `display` goes into DISPLAY."""

    def __init__(self, width=800, height=600):
        self._size = f"{width}x{height}x24"

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        # It picks a free number by itself and says which.
        self._process = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-screen", "0", self._size, "-nolisten", "tcp",
             # A key that is held is one key: how often it repeats would say how busy the machine is.
             "-r", "-fbdir", self._folder.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        number = self._process.stdout.readline().strip()
        if not number:
            self.__exit__()
            raise OSError("Xvfb did not start")
        self.display = f":{number}"
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()

    def pixels(self):
        """Width, height, and the rows of the picture as bytes of red, green, blue."""
        raw = (pathlib.Path(self._folder.name) / "Xvfb_screen0").read_bytes()
        # The dump format of xwd: a header of big-endian numbers, a table of colours, the pixels.
        header = struct.unpack(">25I", raw[:100])
        head, width, height, bits, line, colours = (
            header[0], header[4], header[5], header[11], header[12], header[19])
        if bits != 32:
            raise ValueError(f"expected 32 bits per pixel, not {bits}")
        start = head + colours * 12
        rows = []
        for row in range(height):
            data = raw[start + row * line : start + row * line + width * 4]
            rgb = bytearray(width * 3)
            rgb[0::3], rgb[1::3], rgb[2::3] = data[2::4], data[1::4], data[0::4]
            rows.append(bytes(rgb))
        return width, height, rows

    def save(self, path, box=None):
        """Writes the picture, or a part (x, y, width, height) of it, as PNG."""
        width, height, rows = self.pixels()
        if box:
            x, y, width, height = box
            rows = [row[x * 3 : (x + width) * 3] for row in rows[y : y + height]]
        body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n")
            for kind, data in (
                (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
                (b"IDAT", body),
                (b"IEND", b""),
            ):
                file.write(struct.pack(">I", len(data)) + kind + data)
                file.write(struct.pack(">I", zlib.crc32(kind + data)))

    def count(self, colour, box):
        """How many pixels of a part (x, y, width, height) have this colour."""
        x, y, width, height = box
        _, _, rows = self.pixels()
        found = 0
        for row in rows[y : y + height]:
            part = row[x * 3 : (x + width) * 3]
            found += sum(part[at : at + 3] == bytes(colour) for at in range(0, len(part), 3))
        return found

    def wait(self, condition, seconds, program=""):
        """Waits until a condition about the picture holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                picture = pathlib.Path(tempfile.gettempdir()) / "chat-screen.png"
                self.save(picture)
                raise AssertionError(f"the picture does not become as expected: see {picture}. {program}")
            time.sleep(0.02)
