"""Every kind of destination beside a receiver of its kind, so that one suite runs over all of them.

Whoever adds a kind adds a class with these methods, and its rows in `KINDS`. A webhook stands there
once for each way of signing.
"""

import base64
import hashlib
import hmac
import socket
import struct
from contextlib import suppress
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import TypeAdapter
from rigs.broker_kinds import BROKERS
from rigs.raw_server import answers, raw_server
from rigs.signing_vectors import C_PUBLIC, C
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError

from agent.destinations.config import DestinationConfig

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEWER = "whsec_Zm9yIHRlc3RzIG9ubHksIHRoZSBuZXdlciBvbmU="
CANARY = "canary4711"
_SECTION = TypeAdapter(DestinationConfig)


async def silent(rig, reader, writer):
    """Take the request and never answer."""
    await rig.request(reader)
    await reader.read()


async def hangs_up(rig, reader, writer):
    """Take the request and close."""
    await rig.request(reader)


async def resets(rig, reader, writer):
    """Take the request and vanish, as a device does that is switched off and on."""
    await rig.request(reader)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def answers_once(rig, reader, writer):
    """Answer, and close the connection without having said so."""
    await rig.request(reader)
    writer.write(b"HTTP/1.1 204 X\r\n\r\n")


async def refuses_tls(rig, reader, writer):
    """Answer a TLS handshake as a plain web server does."""
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n")
    await reader.read()


class Webhook:
    """HTTP; `signing` as the configuration has it, and what an independent receiver makes of it."""

    type = "webhook"
    keeps_connection = False
    steps = MappingProxyType({})

    def __init__(self, scheme, signing, is_genuine) -> None:
        self.scheme = scheme
        self._signing = signing
        self._is_genuine = is_genuine

    def config(self, place, **more: object):
        """The section for a receiver at `place`: a port of loopback, or an address."""
        url = f"http://127.0.0.1:{place}" if isinstance(place, int) else place
        section = {"url": f"{url}/hooks?key={CANARY}", "signing": self._signing}
        return _SECTION.validate_python(section | {"auth": {"bearer": CANARY}, "timeout": "1s"} | more)

    def receiver(self, behaviour, certificate=None):
        """`async with kind.receiver(204) as rig:`; a status, or one of the behaviours of this file."""
        return raw_server(answers(behaviour) if isinstance(behaviour, int) else behaviour, certificate)

    async def requests(self, receiver, count):
        """What arrived; an answer came after it."""
        return receiver.requests

    async def answers_once(self, rig, reader, writer):
        """Answer, and close the connection without having said so."""
        await answers_once(rig, reader, writer)

    def read(self, request):
        """The id and the body of what arrived."""
        headers, body = _taken_apart(request)
        return headers["webhook-id"], body

    def is_genuine(self, request, *, body=None):
        """Whether a receiver accepts it; `body` in the place of that which came."""
        headers, arrived = _taken_apart(request)
        return self._is_genuine(headers, arrived if body is None else body)


def _taken_apart(request):
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
    return {name.lower(): text for name, _, text in lines}, body


def _standard(secret):
    def is_genuine(headers, body):
        with suppress(WebhookVerificationError):
            StandardWebhook(secret).verify(body.decode(), headers)
            return True
        return False

    return is_genuine


def _ed25519(headers, body):
    """By the public key alone, as the specification says it."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    version, _, signature = headers["webhook-signature"].partition(",")
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(C_PUBLIC.removeprefix("whpk_")))
    with suppress(InvalidSignature):
        public.verify(base64.b64decode(signature), signed)
        return version == "v1a"
    return False


def _hex(headers, body):
    wanted = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return headers.get("x-hub-signature-256") == f"sha256={wanted}"


def _unsigned(headers, body):
    """Nothing to check, and nothing that looks as if there were."""
    return not [name for name in headers if "signature" in name]


_HEX = {"scheme": "hex", "secret": SECRET, "header": "X-Hub-Signature-256", "prefix": "sha256="}
# While the secret is changed: the receiver still has the one before.
_CHANGING = {"secret": NEWER, "previous_secrets": [SECRET]}
WEBHOOKS = {
    "webhook standard": Webhook("standard", _CHANGING, _standard(SECRET)),
    "webhook ed25519": Webhook("ed25519", {"scheme": "ed25519", "key": C.key}, _ed25519),
    "webhook hex": Webhook("hex", _HEX, _hex),
    "webhook none": Webhook("none", "none", _unsigned),
}
KINDS = WEBHOOKS | BROKERS
