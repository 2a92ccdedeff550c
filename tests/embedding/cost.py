#!/usr/bin/env python3
"""What it costs to put libchat into a program, beside libmosquitto and c-toxcore on the same machine.

usage: tests/embedding/cost.py [--clients N]

Builds libchat (`make`) and the three programs of this folder, runs each against a server on the loopback
interface, and prints a table: size of the stripped library, threads, memory, time to connect. Fails when
libchat is above the ceilings that README.md states. Needs gcc, libmosquitto-dev, libtoxcore-dev,
mosquitto and openssl; what is missing is left out of the table.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PASSWORD = "correct horse battery"

# The ceilings: 6 MB stripped, one shared set of threads, 64 KiB per idle client.
LIBRARY_BYTES = 6_000_000
THREADS = 4
CLIENT_KIB = 64


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=100)
    clients = parser.parse_args().clients
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        rows = [libchat(folder, clients)]
        for peer in (libmosquitto, toxcore):
            try:
                rows.append(peer(folder, clients))
            except (OSError, subprocess.CalledProcessError) as error:
                print(f"{peer.__name__} is left out: {error}", file=sys.stderr)
    table(rows)
    own = rows[0]
    above = [
        text
        for text, value, ceiling in (
            ("bytes of libchat.so, stripped", own["bytes"], LIBRARY_BYTES),
            ("threads", own["threads"], THREADS),
            ("KiB per idle client", own["kib_per_client"], CLIENT_KIB),
            ("KiB per idle client with its outbox on disk", own["kept_kib"], CLIENT_KIB),
        )
        if value > ceiling
    ]
    for text in above:
        print(f"above the ceiling: {text}", file=sys.stderr)
    return 1 if above else 0


def libchat(folder, clients):
    subprocess.run(["make", "--silent", "-C", ROOT, "library"], check=True)
    server = os.environ.get("CHAT_CLI")
    if server is None:
        subprocess.run(["cargo", "build", "--locked", "--quiet", "--release", "-p", "chat-cli"], cwd=ROOT, check=True)
        server = TARGET / "release/chat-cli"
    library = TARGET / "release/libchat.so"
    pkgconfig = TARGET / "release/capi/pkgconfig"
    program = build(folder, "chat_cost", "chat", dict(os.environ, PKG_CONFIG_PATH=str(pkgconfig)))
    serve = [server, "serve", "--json", "--listen", "127.0.0.1:0", "--store", "memory", "--registration", "open"]
    server = subprocess.Popen(serve + ["--data", folder / "data"], stdout=subprocess.PIPE, text=True)
    try:
        ready = json.loads(server.stdout.readline())
        where = [program, ready["addr"], ready["fingerprint"], clients]
        (folder / "profiles").mkdir()
        # Registers, with a password. The second time the device is known, as in the daily life of a program.
        run(where + [folder / "profiles"])
        kept = run(where + [folder / "profiles"])
        measured = run(where)
    finally:
        end(server)
    # A password takes the server 60 ms of Argon2, which is not the library's time.
    return {
        "name": "libchat", "bytes": stripped(folder, [library]), **measured,
        "connect_ms": kept["connect_ms"], "kept_kib": kept["kib_per_client"],
        "threads_of_one": max(kept["threads_of_one"], measured["threads_of_one"]),
        "threads": max(kept["threads"], measured["threads"]),
    }


def libmosquitto(folder, clients):
    program = build(folder, "mosquitto_cost", "libmosquitto")
    certificate(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    subprocess.run(["mosquitto_passwd", "-b", "-c", folder / "users", "cost", "correct horse"], check=True)
    (folder / "broker.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {folder}/users\n"
        f"cafile {folder}/cert.pem\ncertfile {folder}/cert.pem\nkeyfile {folder}/key.pem\n"
        "user root\nset_tcp_nodelay true\nlog_dest stderr\nlog_type information\n"
    )
    # Debian puts the broker where only root looks.
    broker = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    server = subprocess.Popen([broker, "-c", folder / "broker.conf"], stderr=subprocess.PIPE, text=True)
    try:
        if not any("running" in line for line in server.stderr):
            raise OSError("the broker ended at once")
        # Read on, or it stops when the pipe is full.
        threading.Thread(target=server.stderr.read, daemon=True).start()
        measured = run([program, port, folder / "cert.pem", clients])
    finally:
        end(server)
    # Its encryption is OpenSSL's, as ours is part of libchat.so.
    return {"name": "libmosquitto with OpenSSL", "bytes": stripped(folder, linked(program, "libmosquitto|libssl|libcrypto")), **measured}


def toxcore(folder, _clients):
    program = build(folder, "toxcore_cost", "toxcore")
    # It takes seconds until one is connected.
    measured = run([program, 5])
    return {"name": "c-toxcore with libsodium", "bytes": stripped(folder, linked(program, "libtoxcore|libsodium")), **measured}


def build(folder, name, package, environment=None):
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", package], check=True, capture_output=True, text=True, env=environment
    ).stdout.split()
    program = folder / name
    command = ["gcc", "-O2", "-Wall", "-Wextra", HERE / f"{name}.c", "-o", program, *flags, "-pthread"]
    subprocess.run(command, check=True)
    return program


def run(command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=180)
    if result.returncode != 0:
        raise OSError(f"{command[0]}: {result.stderr.strip()}")
    return json.loads(result.stdout)


def stripped(folder, libraries):
    total = 0
    for library in libraries:
        subprocess.run(["strip", "--strip-unneeded", "-o", folder / "stripped", library], check=True)
        total += (folder / "stripped").stat().st_size
    return total


def linked(program, names):
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return [path for path in re.findall(r"=> (\S+)", listed) if re.search(names, path)]


def certificate(folder):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, stderr=subprocess.DEVNULL,
    )


def end(server):
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=10)


def table(rows):
    print("| | " + " | ".join(row["name"] for row in rows) + " |")
    print("|---" * (len(rows) + 1) + "|")
    for text, value in (
        ("library, stripped, MB", lambda row: f"{row['bytes'] / 1e6:.1f}"),
        ("threads started by one client", lambda row: row["threads_of_one"]),
        ("threads started, all clients", lambda row: f"{row['threads']} ({row['clients']} clients)"),
        ("memory of the first client, KiB", lambda row: row["first_kib"]),
        ("memory of each further idle client, KiB", lambda row: row["kib_per_client"]),
        ("the same with its outbox on disk, KiB", lambda row: row.get("kept_kib", "-")),
        ("from new to connected, ms (median)", lambda row: row["connect_ms"]),
    ):
        print(f"| {text} | " + " | ".join(str(value(row)) for row in rows) + " |")


if __name__ == "__main__":
    sys.exit(main())
