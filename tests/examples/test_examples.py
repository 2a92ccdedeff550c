"""Runs every example of examples/c and examples/cpp against a real server, and checks what it prints.

Each runs twice: under valgrind, and built with the address and undefined-behaviour sanitizers. The
programs are built here, by the examples' own Makefile.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from screen import Screen
from stage import LONG, OUT, ROOT, VALGRIND, Stage

# Colours of the game.
ANN, GREEN, GOLD = (240, 225, 110), (120, 220, 130), (250, 205, 70)

SANITIZE = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
# Who is tested: the libraries underneath (GLib, SDL, the display) keep what they like.
LEAKS = {"LSAN_OPTIONS": f"suppressions={ROOT}/tests/examples/others.lsan:print_suppressions=0"}
# What the library or the server says while they can't do files.
NO_FILES = re.compile("can't do that|not supported|no files")
# Leaks of a display's driver have no names, as it is unloaded before they are looked at: they are looked for
# where the game draws into memory.
NO_LEAKS = {"ASAN_OPTIONS": "detect_leaks=0"}


def build(folder, flags=None):
    """Builds all examples into a folder."""
    environment = dict(os.environ)
    path = [str(OUT / "capi/pkgconfig"), environment.get("PKG_CONFIG_PATH", "")]
    environment["PKG_CONFIG_PATH"] = ":".join(filter(None, path))
    variables = [f"CFLAGS={flags}", f"CXXFLAGS={flags}"] if flags else []
    for language in ("c", "cpp"):
        made = subprocess.run(
            ["make", "--silent", "-j2", "-C", ROOT / "examples" / language, f"OUT={folder / language}", *variables],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        if made.returncode != 0 or "warning:" in made.stdout:
            raise AssertionError(f"the examples do not compile without a word\n{made.stdout}")


def setUpModule():
    global folders
    folders = {}
    for name, flags in (("plain", None), ("sanitized", SANITIZE)):
        folders[name] = pathlib.Path(tempfile.mkdtemp(prefix=f"chat-{name}-"))
        build(folders[name], flags)


def tearDownModule():
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)


class Examples:
    """The tests; the classes below say how the programs run."""

    build = "plain"
    wrap = ()
    environment = {}

    def stage(self):
        return Stage(self, self.wrap)

    def start(self, stage, example, *arguments, **options):
        program = folders[self.build] / example
        if not program.exists():
            self.skipTest(f"{example} was not built: its library is missing")
        environment = {**self.environment, **options.pop("environment", {})}
        return stage.start(program, *arguments, environment=environment, **options)

    def test_minimal_says_one_thing_and_tells_its_place(self):
        stage = self.stage().serve()
        bob = stage.person("bob")
        ann = self.start(stage, "c/minimal", stage.link("ann"), "hello from C")
        ann.hear(r"^on the server as entry [1-9]")
        ann.ends()
        bob.hears("ann", "^hello from C$")
        # It is the same device the next time, and needs no new account.
        again = self.start(stage, "c/minimal", stage.link("ann"), "once more")
        again.hear(r"^on the server as entry")
        again.ends()
        bob.hears("ann", "^once more$")

    def test_minimal_says_what_is_wrong(self):
        stage = self.stage().serve()
        nowhere = self.start(stage, "c/minimal", "chat://ann@127.0.0.1:1", "hello").ends(1)
        self.assertRegex(nowhere.errors(), "minimal: .*connect")
        wrong = stage.link("ann").replace(stage.fingerprint, "SHA256:" + "A" * 43)
        mistrusted = self.start(stage, "c/minimal", wrong, "hello").ends(1)
        self.assertRegex(mistrusted.errors(), "minimal: .*key")
        senseless = self.start(stage, "c/minimal", "ftp://example", "hello").ends(1)
        self.assertRegex(senseless.errors(), "minimal: .*ftp://example|minimal: .*address")
        self.assertEqual(self.start(stage, "c/minimal").ends(2).output(), "")

    def check_echo_bot(self, example, end):
        stage = self.stage().serve()
        bob = stage.person("bob")
        bot = self.start(stage, example, stage.link("echo"), "echo.profile")
        bot.hear("^here as echo$")
        bob.says("!echo is there anybody")
        reply = bob.hears("echo", "^is there anybody$")
        self.assertIn("reply_to", reply)
        bob.says("only for the bot", to="echo")
        self.assertEqual(bob.hears("echo", "^only for the bot$")["to"], "echo")
        end(bot, bob)
        bot.ends()
        return stage, bob

    def test_echo_bot_answers_and_ends_by_a_signal(self):
        stage, bob = self.check_echo_bot("c/echo_bot", lambda bot, _bob: bot.signal(signal.SIGINT))
        # What was asked while it was away is answered when it is back, and nothing twice.
        bob.says("!echo who is back")
        bot = self.start(stage, "c/echo_bot", stage.link("echo"), "echo.profile")
        bob.hears("echo", "^who is back$")
        bot.signal(signal.SIGTERM)
        bot.ends()

    def test_echo_bot_in_cpp(self):
        self.check_echo_bot("cpp/echo_bot", lambda _bot, bob: bob.says("!quit"))

    def test_cpp_without_exceptions(self):
        stage = self.stage().serve()
        self.start(stage, "cpp/quiet", stage.link("ann"), "hello").hear("^on the server as entry [1-9]")
        failed = self.start(stage, "cpp/quiet", "chat://ann@127.0.0.1:1", "hello").ends(1)
        self.assertRegex(failed.errors(), "quiet: .*connect")

    def test_poll_loop_waits_for_keyboard_and_chat_at_once(self):
        stage = self.stage().serve()
        bob = stage.person("bob")
        ann = self.start(stage, "c/poll_loop", stage.link("ann"), "ann.profile", "lobby")
        ann.hear(r"^\* here as ann$")
        # Two lines in one write: the second must not wait for a third.
        ann.say("first\nsecond")
        bob.hears("ann", "^first$")
        bob.hears("ann", "^second$")
        bob.says("hello \x1b[31mred")
        ann.hear(r"^lobby <bob> hello \?\[31mred$")
        ann.say("and the last")
        ann.end_input()
        ann.ends()
        bob.hears("ann", "^and the last$")

    def test_epoll_many_clients_hear_each_other(self):
        stage = self.stage().serve()
        count = self.clients
        crowd = self.start(stage, "c/epoll_many", stage.address, stage.fingerprint, count)
        crowd.hear(f"^{count} members have heard {count} messages each$")
        crowd.ends()

    def test_embedded_server_serves_others(self):
        stage = self.stage()
        host = self.start(stage, "c/embedded_server")
        link = host.hear(r"^chat://(\S+)\?fp=(\S+)$")
        stage.address, stage.fingerprint = link.groups()
        bob = stage.person("bob")
        bob.hears("host", "^welcome, bob$")
        bob.says("shut down")
        host.hear("^<bob> shut down$")
        host.hear("^2 accounts, [1-9][0-9]* entries$")
        host.ends()

    def test_file_transfer_sends_and_fetches(self):
        stage = self.stage().serve()
        content = bytes(range(256)) * 4096
        (stage.folder / "pic ture.jpg").write_bytes(content)
        (stage.folder / "downloads").mkdir()
        bob = self.start(stage, "c/file_transfer", stage.link("bob"), "bob.profile", "fetch", "downloads")
        bob.hear("^connected$")
        ann = self.start(stage, "c/file_transfer", stage.link("ann"), "ann.profile", "send", "lobby", "pic ture.jpg")
        if NO_FILES.search(ann.waits().errors()):
            self.skipTest("files are not there so far")
        ann.ends()
        bob.hear("^fetching downloads/[0-9]+-pic_ture.jpg, 1048576 bytes$")
        bob.ends()
        self.assertEqual([file.read_bytes() for file in (stage.folder / "downloads").iterdir()], [content])

    def test_glib_source(self):
        stage = self.stage().serve()
        bob = stage.person("bob")
        ann = self.start(stage, "c/glib_source", stage.link("ann"), "ann.profile")
        ann.hear("^here as ann$")
        bob.says("hello GLib")
        ann.hear("^<bob> hello GLib$")
        bob.says("bye")
        ann.ends()

    def test_libuv_loop(self):
        stage = self.stage().serve()
        bob = stage.person("bob")
        ann = self.start(stage, "c/libuv_loop", stage.link("ann"), "ann.profile")
        for _ in range(3):
            ann.hear("^<ann> tick$")
            bob.hears("ann", "^tick$")
        ann.ends()

    def test_ncurses_chat_on_a_terminal(self):
        stage = self.stage().serve()
        bob = stage.person("bob")
        program = folders[self.build] / "c/ncurses_chat"
        if not program.exists():
            self.skipTest("ncurses is missing")
        with Terminal(stage, [*self.wrap, program, stage.link("ann"), "ann.profile", "lobby"],
                      self.environment) as terminal:
            terminal.shows("connected")
            terminal.keys("-l", "grüße from ncurses")
            terminal.shows("> grüße from ncurses")
            terminal.keys("BSpace", "Enter")
            bob.hears("ann", "^grüße from ncurse$")
            bob.says("look \x1b]0;at me\x07")
            terminal.shows("<bob> look .*at me")
            terminal.resize(50, 12)
            bob.says("after the change")
            terminal.shows("<bob> after the change")
            terminal.keys("F10")
            self.assertEqual(terminal.code(), "0")

    def test_game_without_a_screen(self):
        """It draws into memory, frame by frame, and the chat goes on all the while."""
        stage = self.stage().serve()
        ann = stage.person("ann")
        game = self.start(
            stage, "c/game_sdl2", stage.link("bob"), "bob.profile",
            environment={"SDL_VIDEODRIVER": "dummy", "SDL_RENDER_DRIVER": "software", "SDL_AUDIODRIVER": "dummy"},
        )
        ann.learns('"type":"member".*"account":"bob"')
        ann.says("anybody out there?")
        ann.learns('"type":"receipt".*"bob"')
        # SDL makes it what closing the window is.
        game.signal(signal.SIGINT)
        game.ends()


class UnderValgrind(Examples, unittest.TestCase):
    wrap = VALGRIND
    # Each handshake is fifty times slower in there.
    clients = 10


class Sanitized(Examples, unittest.TestCase):
    build = "sanitized"
    environment = LEAKS
    clients = 100

    # Not in valgrind: threads take turns there, and nothing is drawn for minutes.
    @unittest.skipUnless(shutil.which("Xvfb") and shutil.which("xdotool"), "there is no screen, or nobody to play")
    def test_game_on_a_screen(self):
        stage = self.stage().serve()
        ann = stage.person("ann")
        with Screen(640, 400) as screen:
            game = self.start(
                stage, "c/game_sdl2", stage.link("bob"), "bob.profile",
                environment={"DISPLAY": screen.display, "SDL_VIDEODRIVER": "x11", "SDL_RENDER_DRIVER": "software",
                             "SDL_AUDIODRIVER": "dummy", **NO_LEAKS},
            )
            player = Player(screen)
            # The word "online", then what ann says, in ann's colour.
            screen.wait(lambda: screen.count(GREEN, (560, 0, 80, 20)) > 40, LONG, game)
            ann.says("anybody out there?")
            screen.wait(lambda: screen.count(ANN, (0, 290, 640, 110)) > 20, LONG, game)
            line = lambda: screen.count(GOLD, (0, 374, 640, 26))
            player.presses("Return")
            # What comes before the line is open is no text.
            screen.wait(lambda: line() > 0, LONG, game)
            player.types("on my way to the coin")
            player.presses("Return")
            ann.hears("bob", "^on my way to the coin$")
            screen.wait(lambda: line() == 0, LONG, game)
            # The coin lies in the ship's way: it does not matter how far beyond it the key comes up again.
            player.holds("Right", lambda: screen.count(GOLD, (410, 140, 20, 20)) == 0)
            ann.hears("bob", "^has 1 coin$")
            ann.says("well done!")
            ann.says("there is another one to the left")
            player.presses("Return")
            screen.wait(lambda: line() > 0, LONG, game)
            player.types("I see it")
            # Nothing on the picture but what was drawn: it is the same each time, but for where the ship came to rest.
            picture = os.environ.get("CHAT_GAME_PICTURE")
            if picture:
                screen.wait(lambda: line() > 100, LONG, game)
                screen.save(picture)
            player.presses("Escape")
            player.presses("Escape")
            game.ends()


class Terminal:
    """A terminal of tmux, on a socket of its own."""

    def __init__(self, stage, command, environment):
        self._stage, self._command, self._environment = stage, command, environment
        self._socket = str(stage.folder / "tmux")

    def __enter__(self):
        words = [f"{name}={value}" for name, value in {**self._environment, "CHAT_PASSWORD": "correct horse battery"}.items()]
        line = " ".join(subprocess.list2cmdline([str(word)]).replace("?", "\\?").replace("&", "\\&") for word in self._command)
        script = self._stage.folder / "run.sh"
        script.write_text(f"cd {self._stage.folder}\nexport LC_ALL=C.UTF-8\n{line}\necho ended with $?\nread forever\n")
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "env", *words, "sh", str(script))
        return self

    def __exit__(self, *_):
        self._tmux("kill-server", check=False)

    def keys(self, *keys):
        self._tmux("send-keys", *keys)

    def resize(self, width, height):
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def shows(self, pattern):
        deadline = time.monotonic() + LONG
        while True:
            screen = self._tmux("capture-pane", "-p").stdout
            found = re.search(pattern, screen)
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"\"{pattern}\" is not on the screen:\n{screen}")
            time.sleep(0.05)

    def code(self):
        return self.shows(r"ended with (\d+)").group(1)

    def _tmux(self, *arguments, check=True):
        return subprocess.run(
            ["tmux", "-S", self._socket, *arguments], check=check, capture_output=True, text=True, timeout=LONG
        )


class Player:
    """Somebody at the keyboard of a screen."""

    def __init__(self, screen):
        self._screen = screen

    def presses(self, key):
        self._xdotool("key", key)

    def types(self, text):
        self._xdotool("type", "--delay", "5", text)

    def holds(self, key, until):
        """Holds a key down until something is so."""
        self._xdotool("keydown", key)
        try:
            self._screen.wait(until, LONG)
        finally:
            self._xdotool("keyup", key)

    def _xdotool(self, *arguments):
        subprocess.run(
            ["xdotool", *arguments], check=True, timeout=LONG, env={**os.environ, "DISPLAY": self._screen.display}
        )


if __name__ == "__main__":
    unittest.main()
