"""A receiver of Edge Relay's webhooks to copy from: Python's standard library alone, some fifty lines.

    WEBHOOK_SECRET=whsec_... python3 receiver.py 9000 received.jsonl
    edge-relay ledger received.jsonl

It verifies the signature (Standard Webhooks 1.0.0) over the bytes as they came, takes each event once however
often it is sent, follows `previous`, and answers 204 only when the event is on disk: what was answered is never
sent again, and whatever else becomes of a request is sent again. Put your own work into `handle`, or let another
process follow the log: after a power cut an event may be in the log that was not handled.
"""

import base64
import hmac
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
TOLERANCE = 300  # seconds that the clocks may be apart
SEEN = set()  # the ids and the numbers of all events in the log; for years of events take a database
TURN = threading.Lock()


def verified(headers, body):
    """Whether it comes from whoever has the secret, and is no old request that somebody sends again."""
    identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdecimal() or abs(time.time() - int(stamp)) > TOLERANCE:
        return False
    expected = hmac.digest(KEY, f"{identity}.{stamp}.".encode() + body, "sha256")
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(b"v1," + base64.b64encode(expected), each.encode()) for each in given)


def events(body):
    """The data of each event in a body: of one, or of a batch."""
    whole = json.loads(body)
    return [each["data"] for each in (whole["data"]["events"] if whole["type"] == "batch" else [whole])]


def remember(datas):
    """These are in the log now."""
    SEEN.update(name for data in datas for name in (data["id"], f"{data['epoch']}/{data.get('seq')}"))


def keep(log, body):
    """Write a body with anything new in it to the log; give what is new."""
    with TURN:
        new = [data for data in events(body) if data["id"] not in SEEN]
        if new:
            end, line = log.seek(0, os.SEEK_END), body.replace(b"\n", b" ") + b"\n"
            if log.write(line) != len(line):
                log.truncate(end)
                raise OSError("the disk is full")
            os.fsync(log.fileno())
            remember(new)
    return new


def handle(data):
    """Your own work. Here: did the event come that was addressed to us before this one?"""
    if data.get("previous") and f"{data['epoch']}/{data['previous']}" not in SEEN:
        print(f"{data['seq']}: {data['previous']} did not come before it", flush=True)


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 when an event is kept, 401 to strangers, 400 to what it does not understand, else nothing."""

    timeout = 30

    def do_POST(self):
        """One request."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status = 401
        try:
            if verified(self.headers, body):
                status, new = 204, keep(self.server.log, body)
                for data in new:
                    handle(data)
        except (KeyError, TypeError, ValueError):
            status = 400
        self.send_response(status)
        self.end_headers()

    def log_request(self, *_):
        """Say nothing of each request."""


def main(port, path):
    """Know what is in the log, cut off what a kill left half written, and receive."""
    server = ThreadingHTTPServer(("", int(port)), Receiver)
    server.log = open(path, "ab+", buffering=0)
    server.log.seek(0)
    kept = server.log.read()
    server.log.truncate(kept.rfind(b"\n") + 1)
    for line in kept.split(b"\n")[:-1]:
        remember(events(line))
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
