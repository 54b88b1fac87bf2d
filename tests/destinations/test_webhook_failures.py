"""One attempt that finds no receiver: a value that names the step and what to look at, and nothing left behind."""

import asyncio
import datetime as dt
import gc
import logging
import os
import re
import socket
import struct
import time
from contextlib import asynccontextmanager
from email.utils import format_datetime
from pathlib import Path

import pytest
import uvloop
from rigs.authority import Authority
from rigs.deaf import deaf_port
from rigs.raw_server import answers, raw_server
from rigs.webhook import MESSAGE, opened, section

from agent.destinations.base import Message
from agent.model import SECOND, Answer, NoAnswer

CANARY = "c4n4ry"
SECRETS = {
    "signing": {"secret": "whsec_" + CANARY * 6},
    "auth": {"bearer": f"bearer-{CANARY}"},
    "headers": {"X-Key": f"header-{CANARY}"},
    "timeout": "1s",
}


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on one of the loops: the agent runs on uvloop where it can."""

    def run(coroutine):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(coroutine)

    return run


async def silent(rig, reader, writer):
    await reader.read()


async def hangs_up(rig, reader, writer):
    await rig.request(reader)


async def drips_headers(rig, reader, writer):
    await rig.request(reader)
    writer.write(b"HTTP/1.1 200 X\r\n")
    for number in range(10_000):
        writer.write(f"X-{number}: x\r\n".encode())
        await asyncio.sleep(0.1)


async def floods_headers(rig, reader, writer):
    await rig.request(reader)
    writer.write(b"HTTP/1.1 200 X\r\n")
    while True:
        writer.write(b"X-Y: z\r\n" * 1000)
        await writer.drain()


async def resets(rig, reader, writer):
    await rig.request(reader)
    writer.write(b"HTTP/1.1 200 X\r\nContent-")
    await writer.drain()
    reset(writer)


async def resets_before_it_reads(rig, reader, writer):
    reset(writer)


def reset(writer):
    """Hang up with a RST, as a device does that was switched off and on."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def says(text):
    async def handle(rig, reader, writer):
        await rig.request(reader)
        writer.write(text)
        await writer.drain()
        await reader.read()

    return handle


NOT_HTTP = "the answer is not HTTP: check the port, and http or https"
ANSWERS = {
    "silent": (silent, ["no answer within 1 s"]),
    "headers that never end": (drips_headers, ["no answer within 1 s"]),
    "headers that never end, at once": (floods_headers, [NOT_HTTP]),
    "hangs up": (hangs_up, ["the receiver closed the connection before it answered"]),
    "resets": (resets, ["the connection broke: Connection reset by peer"]),
    "resets at once": (
        resets_before_it_reads,
        [
            "the connection broke: Connection reset by peer",
            "the connection broke: closed while we sent",
            "the receiver closed the connection before it answered",
        ],
    ),
    "garbage": (says(os.urandom(64).replace(b"HTTP", b"") + b"\r\n\r\n"), [NOT_HTTP]),
    "ssh": (says(b"SSH-2.0-OpenSSH_9.2\r\n"), [NOT_HTTP]),
    "tls alert": (says(b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n"), [NOT_HTTP]),
    "a status of letters": (says(b"HTTP/1.1 two OK\r\n\r\n"), [NOT_HTTP]),
    "an endless line": (says(b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n"), [NOT_HTTP]),
}


def sockets():
    """How many sockets this process has open."""
    return sum(file.is_socket() for file in Path("/proc/self/fd").iterdir())


@asynccontextmanager
async def nothing_left():
    """What was opened within is closed at the end, a moment later at most."""
    gc.collect()
    before = sockets()
    yield
    async with asyncio.timeout(30):
        while sockets() > before:
            await asyncio.sleep(0.01)
            gc.collect()  # a tenth of a second in a process that has run many tests


async def attempt(url, **config: object):
    """One attempt, and how long it took."""
    began = time.monotonic()
    async with opened(url, **({"timeout": "1s"} | config)) as destination:
        outcome = await destination.deliver(MESSAGE)
    assert time.monotonic() - began < 3
    return outcome


@pytest.mark.parametrize("name", ANSWERS)
def test_a_receiver_that_misbehaves(name, run):
    """In time, in words, with every socket closed."""
    handle, expected = ANSWERS[name]

    async def check():
        async with nothing_left(), raw_server(handle) as server:
            return await attempt(server.port)

    outcome = run(check())

    assert isinstance(outcome, NoAnswer)
    assert any(why in outcome.why for why in expected), outcome.why
    assert outcome.latency >= 0
    assert not outcome.unsent  # it may have read the message


def test_nobody_listens(run, free_port):
    """Host and port are named."""
    port = free_port()

    outcome = run(attempt(port))

    assert outcome.why == f"connect: 127.0.0.1:{port}: Connection refused: check that it runs, and the port"
    assert outcome.unsent


def test_packets_that_are_dropped(run, monkeypatch):
    """A firewall that says nothing: connecting has its own time within that of the attempt."""
    monkeypatch.setattr("agent.destinations.webhook.client.CONNECT_SECONDS", 0.2)

    async def check():
        with deaf_port() as port:
            return await attempt(port, timeout="3s")

    outcome = run(check())

    assert outcome.why == "connect: no answer within 5 s: check the host, and the firewalls on the way"
    assert outcome.unsent


LARGE = Message("evt_large", b"x" * 1_000_000)  # more than the server reads unasked


def test_a_reset_in_the_middle_of_the_request(run):
    """Nobody knows how much of it was read."""

    async def reads_a_little(rig, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        reset(writer)

    async def check():
        async with nothing_left(), raw_server(reads_a_little) as server, opened(server.port) as destination:
            return await destination.deliver(LARGE)

    outcome = run(check())

    assert isinstance(outcome, NoAnswer)
    assert outcome.why in {
        "the connection broke: Connection reset by peer",
        "the connection broke: Broken pipe",
        "the connection broke: closed while we sent",
    }
    assert not outcome.unsent


def test_an_answer_before_the_request_was_read(run):
    """Whoever finds a body too large says so at once, and hangs up: 413 is what splits a batch."""

    async def too_large(rig, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    async def check():
        async with nothing_left(), raw_server(too_large) as server, opened(server.port) as destination:
            return await destination.deliver(LARGE)

    assert run(check()).status == 413


def test_a_name_that_is_not_found(run):
    """The look-up is the step, its answer the cause."""
    outcome = run(attempt("http://no-such-host.invalid/hooks"))

    assert outcome.why.startswith("DNS: no-such-host.invalid is not found (")
    assert outcome.why.endswith("): check the name and the resolver")
    assert outcome.unsent


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("169.254.169.254", "nothing is sent to link-local addresses"),
        ("[::ffff:a9fe:a9fe]", "nothing is sent to link-local addresses"),
        ("[fe80::1]", "nothing is sent to link-local addresses"),
        ("[fd00:ec2::254]", "nothing is sent to metadata addresses"),
        ("2852039166", "expected four numbers up to 255"),
        ("0xA9FEA9FE", "expected four numbers up to 255"),
        ("169.254.43518", "expected four numbers up to 255"),
        ("10.0.8", "expected four numbers up to 255"),
        ("10.0.8.400", "expected four numbers up to 255"),
        ("10.0.8.4.", "expected four numbers up to 255"),
    ],
)
def test_no_spelling_of_an_address_leads_elsewhere(host, why):
    """X4: refused when the file is loaded, metadata services and what the resolver would fill up with zeros."""
    with pytest.raises(ValueError, match=re.escape(why)):
        section(f"http://{host}/latest/meta-data")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "line4", "4.line", "x10.plant", "cmms.example.com."])
def test_a_host_may_be_called_so(host):
    """Names with digits in them, and plain addresses."""
    assert section(f"http://{host}:8086/x").url == f"http://{host}:8086/x"


@pytest.mark.parametrize(("url", "plain"), [("HTTP://x/", True), ("http://x/", True), ("HTTPS://x/", False)])
def test_whether_somebody_can_answer_in_the_receivers_place(url, plain):
    """However it is spelt: it decides what a web page as an answer means."""
    assert section(url).plain_http is plain


# --- TLS -----------------------------------------------------------------------------------------------


RENAME = "write `url` with a name that the certificate has"


async def over_tls(certificate, url="https://127.0.0.1:{}/", handle=None):
    async with nothing_left(), raw_server(handle or answers(), certificate) as server:
        return await attempt(url.format(server.port)), server.requests


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """An authority that this machine trusts."""
    trusted = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.certificate))
    return trusted


def test_a_certificate_of_a_trusted_authority_is_accepted(authority, run):
    """The tests below fail of what they change, and of nothing else."""
    outcome, requests = run(over_tls(authority.issue("server")))

    assert isinstance(outcome, Answer)
    assert len(requests) == 1


def test_only_a_verified_receiver_is_asked_what_time_it_is(authority, run):
    """Its `Date` proves the clock, or refutes it; over plain HTTP anybody could have written it."""
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)

    async def told(certificate, scheme):
        async with (
            raw_server(answers(Date=format_datetime(later, usegmt=True)), certificate) as server,
            opened(f"{scheme}://127.0.0.1:{server.port}/") as destination,
        ):
            assert isinstance(await destination.deliver(MESSAGE), Answer)
            assert destination.clock_offset > 0
            return destination.utc_offset

    verified = run(told(authority.issue("server"), "https"))

    assert abs(verified + time.monotonic_ns() - time.time_ns() - 3600 * SECOND) < 5 * SECOND
    assert run(told(None, "http")) is None


@pytest.mark.parametrize(
    ("issued", "url", "why"),
    [
        (
            {"host": "192.0.2.1"},
            "https://127.0.0.1:{}/",
            f"(IP address mismatch, certificate is not valid for '127.0.0.1'.): {RENAME}",
        ),
        (
            {"host": "cmms.example.com"},
            "https://localhost:{}/",
            f"(Hostname mismatch, certificate is not valid for 'localhost'.): {RENAME}",
        ),
        (
            {"ends_in": -dt.timedelta(hours=1)},
            "https://127.0.0.1:{}/",
            "(certificate has expired): check the clock, and have the receiver's certificate renewed",
        ),
    ],
)
def test_a_certificate_that_does_not_fit_is_refused(issued, url, why, authority, run):
    """Another host's, or one of yesterday: nothing is sent."""
    outcome, requests = run(over_tls(authority.issue("server", **issued), url))

    assert isinstance(outcome, NoAnswer)
    assert outcome.why.startswith("TLS: the certificate of ")
    assert why in outcome.why
    assert requests == []
    assert outcome.unsent


def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path, run):
    """Whoever intercepts makes his own."""
    outcome, requests = run(over_tls(Authority(tmp_path).issue("server")))

    assert "the certificate of 127.0.0.1 is not accepted" in outcome.why
    assert outcome.why.endswith(
        "(unable to get local issuer certificate): name the PEM file of the authority that signed it as tls: {ca: FILE}"
    )
    assert requests == []


def test_https_to_a_port_that_speaks_http(run):
    """The step is named."""

    async def plain(rig, reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 X\r\n\r\n")
        await writer.drain()
        await reader.read()

    async def check():
        async with nothing_left(), raw_server(plain) as server:
            return server.port, await attempt(f"https://127.0.0.1:{server.port}/")

    port, outcome = run(check())

    assert outcome.why.startswith(f"TLS: no secure connection with 127.0.0.1:{port} (WRONG_VERSION_NUMBER)")
    assert outcome.why.endswith("check the port, and http or https")


def test_http_to_a_port_that_speaks_tls(authority, run):
    """As a web server does that closes; one that answers 400 has answered."""

    async def check():
        async with nothing_left(), raw_server(answers(), authority.issue("server")) as server:
            return await attempt(server.port), server.requests

    outcome, requests = run(check())

    assert outcome.why in {NOT_HTTP, "the receiver closed the connection before it answered"} or (
        outcome.why.startswith("the connection broke: ")
    )
    assert requests == []


def test_a_handshake_that_never_ends(run):
    """It is a part of the attempt."""

    async def check():
        async with nothing_left(), raw_server(silent) as server:
            return await attempt(f"https://127.0.0.1:{server.port}/")

    assert run(check()).why == "no answer within 1 s"


# --- cancelled, and told -------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before the answer", "within its body", "within the handshake"])
def test_a_cancelled_attempt_leaves_no_socket(moment, run):
    """The receiver sees the connection end at once."""

    async def half(rig, reader, writer):
        await rig.request(reader)
        if moment == "within its body":
            writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nx")
        await reader.read()

    async def check():
        handshake = moment == "within the handshake"
        async with nothing_left(), raw_server(silent if handshake else half) as server:
            scheme = "https" if handshake else "http"
            async with opened(f"{scheme}://127.0.0.1:{server.port}/", timeout="15s") as destination:
                task = asyncio.create_task(destination.deliver(MESSAGE))
                async with asyncio.timeout(30):
                    while not (server.requests or (handshake and server.open)):
                        await asyncio.sleep(0.005)
                    await asyncio.sleep(0.02)
                    task.cancel()
                    await asyncio.wait([task])
                    while server.open:
                        await asyncio.sleep(0.005)
            assert task.cancelled()

    run(check())


@pytest.mark.parametrize("name", [*ANSWERS, "refused", "not found", "tls", "answers"])
def test_no_secret_is_told(name, run, caplog, free_port, tmp_path):
    """X2: neither the outcome nor any logger of any level shows a secret, or the address's query."""
    query = f"/hooks?key={CANARY}"
    certificate = Authority(tmp_path).issue("server") if name == "tls" else None
    handle = ANSWERS[name][0] if name in ANSWERS else answers(200, Date="Sat, 21 Nov 2026 08:00:00 GMT")
    caplog.set_level(logging.DEBUG)

    async def check():
        asyncio.get_running_loop().set_debug(True)
        async with raw_server(handle, certificate) as server:
            place = {
                "refused": f"http://127.0.0.1:{free_port()}",
                "not found": "http://no-such-host.invalid",
                "tls": f"https://127.0.0.1:{server.port}",
            }
            url = place.get(name, f"http://127.0.0.1:{server.port}") + query
            async with opened(url, **SECRETS) as destination:
                return repr(destination), await destination.deliver(MESSAGE)

    shown, outcome = run(check())
    told = [shown, repr(outcome), *(f"{record.getMessage()} {record.exc_text}" for record in caplog.records)]

    assert not [text for text in told if CANARY in text]
