"""A receiver for trying things out: it verifies, deduplicates, keeps a ledger, and can misbehave.

Rules for whoever changes this file: the verification is written from the specification (Standard
Webhooks 1.0.0) and imports nothing of the agent's signing, so that it can disagree with it. An event
is answered 2xx only after its receipt is in the log.
"""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from aiohttp import web

from agent.clock import Clock
from agent.demo import DemoError
from agent.demo.ledger import Receipt, receipt_of
from agent.model import SECOND, Json

_TOLERANCE: Final = 300  # seconds; Standard Webhooks leaves it open, its libraries all take five minutes
_SECONDS: Final = re.compile(r"[0-9]{1,12}")
_SHORTEST_KEY: Final = 16  # bytes; the specification asks for 24, some services hand out less
_LARGEST_BODY: Final = 10_000_000  # bytes
_FINISH_WITHIN: Final = 1.0  # seconds that a request under way may still take when the receiver stops


@dataclass(frozen=True, slots=True)
class Arrival:
    """One POST and what became of it.

    Attributes:
        at_wall: when, nanoseconds UTC.
        status: what was answered.
        problem: which part of it is wrong; empty if the signature is good.
        receipt: what is kept of it; None if it was refused.
        event: the body, empty if it is not a JSON object.
    """

    at_wall: int
    status: int
    problem: str = ""
    receipt: Receipt | None = None
    event: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """How the receiver fails on purpose: always this status, always this much later (nanoseconds)."""

    status: int | None = None
    delay: int = 0


class Receiver:
    """A webhook receiver on `http://HOST:PORT/` (any path); it can be stopped and started again.

    With a `log` it appends one JSON line an arrival (the newest line of an id counts) and knows at
    its next start what it has. The log is flushed, not synchronised: a power cut is not in its play.
    """

    def __init__(
        self,
        secret: str,
        clock: Clock,
        on_arrival: Callable[[Arrival], None],
        log: Path | None = None,
        misbehaviour: Misbehaviour = Misbehaviour(),
    ) -> None:
        self._key = key_of(secret)
        self._clock = clock
        self._on_arrival = on_arrival
        self._misbehaviour = misbehaviour
        self._log = log
        self._runner: web.AppRunner | None = None
        self.receipts = read_log(log) if log else {}

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            DemoError: somebody else listens there.
        """
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_post("/{path:.*}", self._post)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_FINISH_WITHIN)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise DemoError(
                f"the receiver cannot listen on {host}:{port} ({error.strerror}): choose another --port"
            ) from error
        self._runner = runner

    async def stop(self) -> None:
        """Stop listening and hang up on everyone; what was answered is kept."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        now = self._clock.wall()
        problem = verify(self._key, request.headers, body, now // SECOND)
        await asyncio.sleep(self._misbehaviour.delay / SECOND)
        event = _object(body)
        if problem:
            arrival = Arrival(now, web.HTTPUnauthorized.status_code, problem, event=event)
        elif self._misbehaviour.status is not None:
            arrival = Arrival(now, self._misbehaviour.status, event=event)
        else:
            receipt = self._keep(request.headers["webhook-id"], event)
            arrival = Arrival(now, web.HTTPNoContent.status_code, receipt=receipt, event=event)
        self._on_arrival(arrival)
        return web.Response(status=arrival.status, text=f"{problem}\n" if problem else None)

    def _keep(self, webhook_id: str, event: Mapping[str, Json]) -> Receipt:
        """Keep the event once, however often it comes; blocks for the writing of one short line."""
        known = self.receipts.get(webhook_id)
        receipt = replace(known, duplicates=known.duplicates + 1) if known else receipt_of(webhook_id, event)
        self.receipts[webhook_id] = receipt
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(receipt.line()) + "\n")
        return receipt


def verify(key: bytes, headers: Mapping[str, str], body: bytes, now: int) -> str:
    """Check a request by Standard Webhooks 1.0.0; `now` in seconds UTC.

    Returns:
        Nothing if it is good, else which part is wrong, for a person.
    """
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        if not headers.get(name):
            return f"the header {name} is missing"
    stamp = headers["webhook-timestamp"]
    if not _SECONDS.fullmatch(stamp):
        return f"webhook-timestamp is not a whole number of seconds: {stamp[:40]!r}"
    if abs(age := now - int(stamp)) > _TOLERANCE:
        return (
            f"webhook-timestamp is {abs(age)} s in the {'past' if age > 0 else 'future'}: look at both clocks"
        )
    signatures = [
        part.removeprefix("v1,") for part in headers["webhook-signature"].split() if part.startswith("v1,")
    ]
    if not signatures:
        return "webhook-signature carries no v1 signature"
    signed = _as_sent(f"{headers['webhook-id']}.{stamp}.") + body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    if not any(hmac.compare_digest(expected, _as_sent(signature)) for signature in signatures):
        return (
            "webhook-signature does not match: another secret, or the body or the id was changed on the way"
        )
    return ""


def _as_sent(text: str) -> bytes:
    """A header's bytes again; aiohttp reads what is not UTF-8 as surrogates."""
    return text.encode(errors="surrogateescape")


def key_of(secret: str) -> bytes:
    """The HMAC key in a `whsec_` secret.

    Raises:
        DemoError: it is not one; the message does not repeat it.
    """
    encoded = secret.removeprefix("whsec_")
    with contextlib.suppress(binascii.Error):
        key = base64.b64decode(
            encoded + "=" * (-len(encoded) % 4), validate=True
        )  # others leave the padding out
        if encoded != secret and len(key) >= _SHORTEST_KEY:
            return key
    raise DemoError("the secret is not `whsec_` and base64: make one with `edge-relay keygen`")


def read_log(path: Path) -> dict[str, Receipt]:
    """The receipts in a log by webhook-id, each as its newest line has it; none if there is no file.

    Raises:
        DemoError: a line is not a receipt; the message names it.
    """
    receipts: dict[str, Receipt] = {}
    if not path.exists():
        return receipts
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            receipt = Receipt(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise DemoError(
                f"{path}:{number} is not a line of a receiver's log: move the file away"
            ) from error
        receipts[receipt.id] = receipt
    return receipts


def _object(body: bytes) -> Mapping[str, Json]:
    """The body as a JSON object, empty if it is none (a template may send anything)."""
    with contextlib.suppress(ValueError):
        if isinstance(value := json.loads(body), dict):
            return value
    return {}
