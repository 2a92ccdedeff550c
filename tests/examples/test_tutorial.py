"""Does what docs/tutorial-c-bot.md says: runs its commands, compiles its programs, reads its outputs."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import unittest

from stage import CHAT_CLI, OUT, PASSWORD, ROOT, Program, Stage

TUTORIAL = ROOT / "docs/tutorial-c-bot.md"
# What the tutorial types, and what the test does instead: the library is built already.
PROFILE = os.environ.get("PROFILE", "release")


def blocks():
    """(language, text) of each block, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", TUTORIAL.read_text(), flags=re.M | re.S)


class Tutorial(unittest.TestCase):
    def test_it_works_as_it_is_written(self):
        stage = Stage(self).serve()
        self.stage, self.home = stage, stage.folder / "home"
        self.home.mkdir()
        self.shell = Shell(self, stage)
        steps = iter(blocks())

        # 1. Tools and library.
        self.commands(steps, "sudo apt-get install")
        self.commands(steps, "make\nmake install")
        self.outputs(steps, self.commands(steps, "export PKG_CONFIG_PATH"))
        # 2. The server: it runs already, on a port that was free.
        self.assertEqual(self.next(steps, "sh"), "cargo run --release -- serve\n")
        # 3. Hello.
        self.commands(steps, "mkdir bot")
        self.source(steps, "hello.c")
        self.outputs(steps, self.commands(steps, "gcc"))
        self.outputs(steps, self.commands(steps, "./hello"))
        # 4. The bot.
        self.source(steps, "bot.c")
        bot = self.bot(self.next(steps, "sh"))
        self.hears(steps, bot)
        # 5. Talk to it.
        self.assertIn("cargo run --release -- connect chat://ann@127.0.0.1:7878/lobby", self.next(steps, "sh"))
        ann = stage.person("ann")
        for line in self.next(steps, "text").splitlines():
            ann.says(line)
        self.answers(self.next(steps, "text"), ann)
        # 6. Break it.
        bot.signal(signal.SIGINT)
        bot.ends(-signal.SIGINT)
        ann.says("!roll")
        bot = self.bot(self.next(steps, "sh"))
        connected, answer = self.next(steps, "text").splitlines()
        bot.hear(f"^{connected}$")
        self.answers(answer, ann)
        ann.says("!bye")
        ann.hears("dice", "^good bye$")
        bot.ends()
        self.assertEqual(list(steps), [], "a block that this test does not know")

    def next(self, steps, language):
        found, text = next(steps)
        self.assertEqual(found, language, text)
        return text

    def commands(self, steps, begin):
        text = self.next(steps, "sh")
        self.assertTrue(text.startswith(begin), text)
        return self.shell.run(text)

    def outputs(self, steps, output):
        self.assertEqual(output, self.next(steps, "text"))

    def source(self, steps, name):
        text = self.next(steps, "c")
        self.assertTrue(text.startswith(f"/* {name} */\n"), text[:40])
        (self.shell.folder / name).write_text(text.replace("127.0.0.1:7878", self.stage.address))

    def bot(self, text):
        *before, last = text.strip().splitlines()
        self.shell.run("\n".join(before) + "\n")
        words = last.replace("127.0.0.1:7878", self.stage.address).split()
        program = Program([self.shell.folder / words[0], *words[1:]], self.shell.folder, self.shell.environment)
        self.addCleanup(program.stop)
        return program

    def hears(self, steps, program):
        for line in self.next(steps, "text").splitlines():
            program.hear(f"^{re.escape(line)}$")

    def answers(self, text, person):
        for line in text.splitlines():
            name, said = re.fullmatch(r"<(\w+)> (.*)", line).groups()
            # A die rolls what it likes.
            person.hears(name, "^" + re.sub(r"\\?\d+$", r"\\d+", re.escape(said)) + "$")


class Shell:
    """The terminal of the tutorial: its folder and its variables live on from command to command."""

    def __init__(self, test, stage):
        self.folder = ROOT
        self.environment = {"HOME": str(test.home), "PATH": f"{stage.folder}/bin:{os.environ['PATH']}"}
        self._stage, self._test = stage, test
        # cargo and rustup are where they are, also for somebody with another home.
        for name, place in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")):
            self.environment[name] = os.environ.get(name, str(pathlib.Path.home() / place))
        tools = stage.folder / "bin"
        tools.mkdir()
        # Nothing is installed by a test, but the packages have to exist.
        self._tool(tools, "sudo", 'shift; exec apt-get --simulate --quiet "$@" >&2' if shutil.which("apt-get") else "exit 0")
        self._tool(tools, "ldconfig", "exit 0")
        self._tool(tools, "make", f'exec {shutil.which("make")} --silent PROFILE={PROFILE} "$@"')
        test.assertEqual(OUT.name, {"dev": "debug"}.get(PROFILE, PROFILE))

    def run(self, text):
        """Runs commands and answers what they printed, but for the noise of building."""
        text = text.replace("127.0.0.1:7878", self._stage.address)
        if text.startswith("mkdir bot"):
            self.folder = self._stage.folder
        script = f'set -e\n{text}\necho "--- $PWD" >&3\nenv -0 >&3\n'
        read, write = os.pipe()
        # A program that was refused ends as it likes: its words count.
        done = subprocess.Popen(
            ["bash", "-c", f"exec 3>&{write}\n{script}"], cwd=self.folder, pass_fds=[write],
            env={**os.environ, **self.environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        os.close(write)
        with os.fdopen(read) as pipe:
            output, errors = done.communicate(timeout=600)
            state = pipe.read()
        self._test.assertEqual(done.returncode, 0, f"{text}\n{output}{errors}")
        place, _, variables = state.partition("\n")
        self.folder = pathlib.Path(place.removeprefix("--- "))
        self.environment.update(
            pair.split("=", 1) for pair in variables.split("\0")
            if pair.startswith(("PKG_CONFIG_PATH=", "LD_LIBRARY_PATH=", "CHAT_PASSWORD="))
        )
        return output

    @staticmethod
    def _tool(folder, name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)


if __name__ == "__main__":
    unittest.main()
