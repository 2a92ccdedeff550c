"""This client against a real server: the program that CHAT_CLI names."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
CHAT_CLI = os.environ.get("CHAT_CLI")
SECONDS = 60


@unittest.skipUnless(CHAT_CLI, "CHAT_CLI names no server to talk to")
class Smoke(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.server = subprocess.Popen(
            [CHAT_CLI, "serve", "--listen", "127.0.0.1:0", "--data", folder.name, "--json"],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.stdout.close)
        self.addCleanup(self.server.kill)
        listening = json.loads(self.server.stdout.readline())
        self.assertEqual(listening["type"], "listening")
        host, _, port = listening["addr"].rpartition(":")
        self.address = [host, port, listening["fingerprint"]]

    def start(self, user, *options, room="den", address=None):
        address = address or self.address
        client = subprocess.Popen(
            [sys.executable, HERE / "chat_smoke.py", *address, user, f"{user}'s password", room,
             *options],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        return client

    def finish(self, client):
        output, _ = client.communicate(timeout=SECONDS)
        return client.returncode, [json.loads(line) for line in output.splitlines()]

    def test_two_that_lose_their_links_and_change_their_keys_miss_nothing(self):
        both = ["--members", "2", "--texts", "200", "--others", "200", "--cut"]
        clients = [self.start("bob", *both, "--rekey"), self.start("cat", *both)]
        for client in clients:
            code, lines = self.finish(client)
            self.assertEqual(code, 0, lines[-1:])
            self.assertEqual(lines[-1]["acked"], 200)
            self.assertEqual(sum(line["type"] == "reconnected" for line in lines), 1)
            texts = [line["text"] for line in lines if line["type"] == "message"]
            wanted = {f"{user} {number}" for user in ("bob", "cat") for number in range(200)}
            self.assertEqual(len(texts), len(wanted))
            self.assertEqual(set(texts), wanted)

    def test_another_key_is_not_trusted(self):
        stranger = [*self.address[:2], "SHA256:" + "A" * 43]
        code, lines = self.finish(self.start("ann", address=stranger))
        self.assertEqual(code, 1)
        self.assertIn(self.address[2], lines[-1]["text"])

    def test_the_server_leaves_when_it_is_told_to(self):
        self.assertEqual(self.finish(self.start("ann"))[0], 0)
        self.server.terminate()
        self.assertEqual(self.server.wait(timeout=SECONDS), 0)


if __name__ == "__main__":
    unittest.main()
