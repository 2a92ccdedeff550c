"""What the tests of C, C++ and Python programs play on: a server, programs that talk, and deadlines.

Nothing here sleeps for a time: everything waits for a condition, and fails after a deadline.
"""

import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# Where the tests find what `make` built: `release`, or `dev` while the library is worked on.
OUT = TARGET / {"dev": "debug"}.get(os.environ.get("PROFILE", "release"), os.environ.get("PROFILE", "release"))
CHAT_CLI = pathlib.Path(os.environ.get("CHAT_CLI", OUT / "chat-cli"))
PASSWORD = "correct horse battery"

# Far more than any step takes on a busy machine under valgrind.
LONG = 120

VALGRIND = [
    "valgrind",
    "--quiet",
    # Its threads take turns; without this a loop that draws would starve those of the library.
    "--fair-sched=try",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite",
    "--error-exitcode=9",
    f"--suppressions={ROOT}/tests/examples/others.supp",
]


class Program:
    """A running program whose output is read line by line."""

    def __init__(self, command, folder, environment=None, stdin=subprocess.PIPE):
        self.command = [str(part) for part in command]
        self.heard = []
        self._lines = queue.Queue()
        self._process = subprocess.Popen(
            self.command,
            cwd=folder,
            env={**os.environ, "CHAT_PASSWORD": PASSWORD, **(environment or {})},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._errors = []
        self._readers = [
            threading.Thread(target=self._read_output, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def hear(self, pattern):
        """Waits for a line in which the pattern is found, passing over others."""
        deadline = time.monotonic() + LONG
        while True:
            try:
                line = self._lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line like \"{pattern}\" in time. {self}") from None
            if line is None:
                self._lines.put(None)
                raise AssertionError(f"it ended without a line like \"{pattern}\". {self}")
            self.heard.append(line)
            found = re.search(pattern, line)
            if found:
                return found

    def say(self, line):
        """Writes a line to its input."""
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def end_input(self):
        self._process.stdin.close()

    def signal(self, number):
        self._process.send_signal(number)

    def waits(self):
        """Waits until it ended by itself, however."""
        try:
            self._process.wait(timeout=LONG)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end. {self}") from None
        for reader in self._readers:
            reader.join(timeout=LONG)
        return self

    def ends(self, code=0):
        """Waits until it ended by itself, and with this code."""
        self.waits()
        if self._process.returncode != code:
            raise AssertionError(f"it ended with {self._process.returncode}, not {code}. {self}")
        return self

    def output(self):
        """All it printed, once it has ended."""
        while not self._lines.empty():
            line = self._lines.get()
            if line is not None:
                self.heard.append(line)
        return "\n".join(self.heard)

    def errors(self):
        return "\n".join(self._errors)

    def stop(self):
        """For the end of a test, whether it went well or not."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe and not pipe.closed:
                try:
                    pipe.close()
                except OSError:
                    pass

    def _read_output(self):
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _read_errors(self):
        for line in self._process.stderr:
            self._errors.append(line.rstrip("\n"))

    def __str__(self):
        return "\n".join(
            [" ".join(self.command), "printed:", self.output(), "and told people:", self.errors()]
        )


class Stage:
    """A folder, a server in it, and the programs of one test; all of it ends with the test."""

    def __init__(self, test, wrap=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chat-c-"))
        test.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self._test = test
        self._wrap = list(wrap)
        self.address = self.fingerprint = None

    def serve(self):
        """Starts a server, which the test's programs reach by `link`."""
        data = self.folder / "data"
        self.server = Program(
            [CHAT_CLI, "serve", "--json", "--listen", "127.0.0.1:0", "--data", data, "--store", "memory"],
            self.folder,
        )
        self._test.addCleanup(self.server.stop)
        ready = json.loads(self.server.hear('"listening"').string)
        self.address, self.fingerprint = ready["addr"], ready["fingerprint"]
        return self

    def link(self, name):
        """A chat:// link by which this account comes in."""
        return f"chat://{name}@{self.address}?fp={self.fingerprint}"

    def start(self, program, *arguments, environment=None, stdin=subprocess.PIPE):
        """Starts the program under test, under what the stage puts around it."""
        started = Program([*self._wrap, program, *arguments], self.folder, environment, stdin)
        self._test.addCleanup(started.stop)
        return started

    def person(self, name, room="lobby"):
        """Somebody who talks through `chat-cli`: lines go in, `<name> text` comes out."""
        program = Program(
            [CHAT_CLI, "connect", self.link(name).replace("?", f"/{room}?"), "--register", "--json",
             "--profile", self.folder / f"{name}.person"],
            self.folder,
        )
        self._test.addCleanup(program.stop)
        program.hear('"type":"connected"')
        return Person(program, room)

    def leave(self):
        """Ends the server, which must have nothing to complain about."""
        self.server.signal(signal.SIGTERM)
        self.server.ends()


class Person:
    """A person at a `chat-cli`."""

    def __init__(self, program, room):
        self._program, self._room = program, room

    def says(self, text, to=None):
        where = {"to": to} if to else {"room": self._room}
        self._program.say(json.dumps({"type": "send", **where, "text": text}))

    def hears(self, name, text):
        """Waits for a message by somebody with this text in it."""
        while True:
            line = json.loads(self._program.hear('"type":"message"').string)
            if line["from"] == name and re.search(text, line["text"]):
                return line

    def learns(self, pattern):
        """Waits for a line about something else than a message."""
        return json.loads(self._program.hear(pattern).string)

    def leaves(self):
        self._program.end_input()
        self._program.ends()
