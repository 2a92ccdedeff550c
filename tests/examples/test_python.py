"""bindings/python/chat.py against a real server: the example bots, and what a script may do to it."""

import multiprocessing
import os
import signal
import socket
import sys
import unittest

from stage import LONG, OUT, PASSWORD, ROOT, Stage

BINDING = str(ROOT / "bindings/python")
os.environ["CHAT_LIBRARY"] = str(OUT / "libchat.so")
sys.path.insert(0, BINDING)

import chat  # noqa: E402


class Bots(unittest.TestCase):
    def bot(self, stage, name, account):
        bot = stage.start(
            sys.executable, ROOT / "examples/python" / name, stage.link(account), f"{account}.profile",
            environment={"PYTHONPATH": BINDING},
        )
        bot.hear(f"^here as {account}$")
        return bot

    def test_echo_bot(self):
        stage = Stage(self).serve()
        bob = stage.person("bob")
        bot = self.bot(stage, "echo_bot.py", "echo")
        bob.says("!echo is there anybody")
        bob.hears("echo", "^is there anybody$")
        bob.says("only for the bot", to="echo")
        bob.hears("echo", "^only for the bot$")
        # It sits in a wait, and hears Ctrl-C all the same.
        bot.signal(signal.SIGINT)
        bot.ends()

    def test_asyncio_bot(self):
        stage = Stage(self).serve()
        bob = stage.person("bob")
        bot = self.bot(stage, "asyncio_bot.py", "clock")
        bob.says("!remind 0.5 second")
        bob.says("!remind 0 first")
        bob.hears("clock", "^bob: first$")
        bob.hears("clock", "^bob: second$")
        bob.says("!quit")
        bot.ends()


class Binding(unittest.TestCase):
    def client(self, stage, name, **more):
        client = chat.Client(stage.link(name), password=PASSWORD, register=True, **more)
        client.connect()
        self.until(client, lambda event: event.type == chat.EVENT_CONNECTED)
        return client

    def until(self, client, wanted):
        while True:
            event = client.next_event(LONG)
            self.assertIsNotNone(event, "no such event in time")
            if wanted(event):
                return event

    def reply(self, client, request):
        return self.until(client, lambda event: event.type == chat.EVENT_REPLY and event.request == request)

    def test_what_was_said_is_found_again(self):
        stage = Stage(self).serve()
        with self.client(stage, "ann") as ann:
            self.assertEqual((ann.account, ann.fingerprint, ann.state), ("ann", stage.fingerprint, chat.STATE_ONLINE))
            send_id = chat.new_send_id()
            said = self.reply(ann, ann.send("lobby", "grüße\tan 🦀", send_id=send_id, label="first"))
            self.assertIsNone(said.error)
            again = self.reply(ann, ann.send("lobby", "grüße\tan 🦀", send_id=send_id))
            self.assertEqual(again.seq, said.seq, "the same id is the same entry")
            self.assertIsNone(self.reply(ann, ann.react("lobby", said.seq, "🦀")).error)
            page = self.reply(ann, ann.history("lobby"))
            texts = [item for item in page.items if item.type == chat.EVENT_MESSAGE]
            self.assertEqual([(item.sender, item.text, item.seq) for item in texts], [("ann", "grüße\tan 🦀", said.seq)])
            self.assertEqual([item.text for item in texts[0].items], ["🦀"])
            self.assertEqual(page.json()["type"], "history")
            # An item keeps its event alive.
            del page
            self.assertEqual(texts[0].place, "lobby")
            members = self.reply(ann, ann.members("lobby"))
            self.assertEqual([item.account for item in members.items], ["ann"])

    def test_what_is_wrong_is_raised(self):
        with self.assertRaises(chat.Error) as raised:
            chat.Client("ftp://nowhere")
        self.assertEqual(raised.exception.name, "CHAT_BAD_ADDRESS")
        with self.assertRaises(chat.Error) as raised:
            chat.Client("chat://ann@127.0.0.1:1", profile="/proc/no/such/folder")
        self.assertEqual(raised.exception.status, chat.LOCAL)
        stage = Stage(self).serve()
        with self.client(stage, "ann") as ann:
            with self.assertRaises(ValueError):
                ann.send("lobby", "one\0two")
            with self.assertRaises(chat.Error) as raised:
                ann.send("lobby", "x" * 17000)
            self.assertEqual(raised.exception.status, chat.TOO_LONG)
            refused = self.reply(ann, ann.join("nowhere"))
            self.assertEqual(refused.error.name, "CHAT_REFUSED_NO_SUCH_ROOM")
        self.assertRaises(chat.Error, ann.send, "lobby", "after the end")

    def test_a_server_in_the_program(self):
        with chat.Server(["127.0.0.1:0"], registration=chat.REGISTRATION_OPEN) as server:
            server.start()
            link = f"chat://ann@{server.address()}?fp={server.fingerprint}"
            with chat.Client(link, password=PASSWORD, register=True) as ann:
                ann.connect()
                self.until(ann, lambda event: event.type == chat.EVENT_CONNECTED)
                invite = self.reply(server, server.invite(uses=2))
                self.assertIn(server.fingerprint, invite.text)
                self.assertEqual(server.stats()["accounts"], 1)

    def test_the_parent_chats_on_when_it_forked(self):
        stage = Stage(self).serve()
        with self.client(stage, "ann") as ann:
            context = multiprocessing.get_context("fork")
            answers = context.Queue()
            child = context.Process(target=in_a_child, args=(ann, stage.link("bob"), answers))
            child.start()
            got = answers.get(timeout=LONG)
            child.join(LONG)
            self.assertEqual((got, child.exitcode), (["CHAT_FORKED"] * 3, 0))
            self.assertIsNone(self.reply(ann, ann.send("lobby", "still here")).error)

    def test_the_log_goes_where_it_is_wanted(self):
        lines = []
        chat.set_log(chat.LOG_DEBUG, lambda level, target, message: lines.append((level, target, message)))
        self.addCleanup(chat.set_log, chat.LOG_ERROR, None)
        with chat.Server(["127.0.0.1:0"]) as server:
            server.start()
            host, port = server.address().rsplit(":", 1)
            with socket.create_connection((host, int(port)), timeout=LONG) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"x" * 1000)
                # The server hangs up, and says so in its log before.
                while stranger.recv(1000):
                    pass
        chat.set_log(chat.LOG_ERROR, None)
        self.assertTrue([line for line in lines if "link ended" in line[2]], lines)
        self.assertEqual({type(part) for line in lines for part in line}, {int, str})


def in_a_child(client, link, answers):
    got = []
    for call in (lambda: client.send("lobby", "from the child"), lambda: client.next_event(0), lambda: chat.Client(link)):
        try:
            call()
            got.append("nothing")
        except chat.Error as error:
            got.append(error.name)
    answers.put(got)


if __name__ == "__main__":
    unittest.main()
