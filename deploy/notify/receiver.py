#!/usr/bin/env python3
"""Receives muster's web hook: checks the signature, drops repeats, prints one line per message.

    MUSTER_HOOK_KEY=... receiver.py [--listen 127.0.0.1:8090] [--seen FILE]

The key is the one that `notify.targets.NAME.key` refers to. --seen keeps the ids of messages that
were taken, so that a repeat after a crash on either side is dropped over a restart, too. The first
line of output is the address. Python's own library is all it needs; take what you need from it.
"""
import argparse
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import sys
import time

TOO_OLD_SECONDS = 300  # a recorded message that somebody sends again later is refused
BODY_BYTES_MAX = 1 << 20


def signature(key, timestamp, body):
    """What `Muster-Signature` must say."""
    signed = timestamp.encode() + b"." + body
    return "v1=" + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()


def problem(key, headers, body, now):
    """Why the message is not to be believed; "" when it is."""
    timestamp = headers.get("Muster-Timestamp", "")
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > TOO_OLD_SECONDS:
        return "too old, or from the future"
    # In constant time, so that nobody can guess it digit by digit.
    if not hmac.compare_digest(signature(key, timestamp, body), headers.get("Muster-Signature", "")):
        return "the signature is wrong"
    return ""


class Seen:
    """The ids of messages that were taken. On the disk before the sender is told so."""

    def __init__(self, path):
        self.file = open(path, "a+", encoding="utf-8") if path else None
        self.ids = set()
        if self.file:
            self.file.seek(0)
            self.ids = {line.strip() for line in self.file}

    def add(self, message_id):
        self.ids.add(message_id)
        if self.file:
            self.file.write(message_id + "\n")
            self.file.flush()
            os.fsync(self.file.fileno())


class Hook(http.server.BaseHTTPRequestHandler):
    key = ""
    seen = None

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        if size > BODY_BYTES_MAX:
            return self.answer(413, "too large")
        body = self.rfile.read(size)
        wrong = problem(self.key, self.headers, body, time.time())
        if wrong:
            return self.answer(401, wrong)
        message = json.loads(body)
        if message["id"] in self.seen.ids:
            return self.answer(200, "known already")
        print(f"{message['severity']} {message['kind']} {message['state']} {message['subject']}: "
              f"{message['text']}", flush=True)
        self.seen.add(message["id"])
        return self.answer(200, "thank you")

    def answer(self, status, text):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *unused):  # what it prints is the messages
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1:8090")
    parser.add_argument("--seen", type=pathlib.Path)
    words = parser.parse_args()
    Hook.key = os.environ.get("MUSTER_HOOK_KEY", "")
    if not Hook.key:
        sys.exit("receiver.py: MUSTER_HOOK_KEY is not set")
    Hook.seen = Seen(words.seen)
    host, port = words.listen.rsplit(":", 1)
    server = http.server.ThreadingHTTPServer((host, int(port)), Hook)
    print(f"http://{host}:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
