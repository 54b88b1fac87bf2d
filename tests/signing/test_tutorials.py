"""The receivers that thousands of tutorials show, word for word, on a real Flask server: they take our webhooks as they are."""

import hashlib
import hmac
import json
import threading
from contextlib import contextmanager

import aiohttp
import pytest
from flask import Flask, abort, request
from rigs.webhook import opened
from werkzeug.serving import make_server

from agent.destinations.base import Message

SECRET = "a text that both sides have, ü"
BODY = '{"type":"alarm.raised","data":{"message":"Kläranlage 3.0","value":1e-7}}'.encode()


def tutorial():
    """`X-Signature`, compared as they all do."""
    app = Flask("tutorial")
    app.taken = []

    @app.route("/hooks/plant", methods=["POST"])
    def webhook():
        expected = hmac.new(SECRET.encode(), request.get_data(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, request.headers["X-Signature"]):
            abort(401)
        app.taken.append(request.get_json())
        return "ok"

    return app


def github_tutorial():
    """As GitHub's documentation verifies its own deliveries."""
    app = Flask("github")
    app.taken = []

    def verify_signature(payload_body, secret_token, signature_header):
        if not signature_header:
            abort(403, "x-hub-signature-256 header is missing!")
        hash_object = hmac.new(secret_token.encode("utf-8"), msg=payload_body, digestmod=hashlib.sha256)
        expected_signature = "sha256=" + hash_object.hexdigest()
        if not hmac.compare_digest(expected_signature, signature_header):
            abort(403, "Request signatures didn't match!")

    @app.post("/hooks/plant")
    def webhook():
        verify_signature(request.data, SECRET, request.headers.get("x-hub-signature-256"))
        app.taken.append(json.loads(request.data))
        return "", 204

    return app


@contextmanager
def served(app):
    """Its port; Flask's own server, in a thread."""
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="flask")
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("app", "signing", "refusal"),
    [
        (tutorial, {"scheme": "hex", "secret": SECRET}, 401),
        (
            github_tutorial,
            {"scheme": "hex", "secret": SECRET, "header": "X-Hub-Signature-256", "prefix": "sha256="},
            403,
        ),
    ],
)
async def test_the_tutorials_receiver_takes_our_webhook_unchanged(app, signing, refusal):
    """Accepted as it was sent; with one letter of the body changed, or another secret, refused."""
    app = app()
    message = Message("evt_1", BODY)
    with served(app) as port:
        async with opened(port, signing=signing) as destination:
            taken = await destination.deliver(message)
            headers = destination.headers(message)
        async with opened(port, signing=signing | {"secret": SECRET + "x"}) as destination:
            foreign = await destination.deliver(message)
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"http://127.0.0.1:{port}/hooks/plant", data=BODY.replace(b"3.0", b"4.0"), headers=headers
            ) as changed,
        ):
            statuses = [taken.status, foreign.status, changed.status]

    assert (taken.status // 100, statuses[1:]) == (2, [refusal, refusal])
    assert app.taken == [json.loads(BODY)]
