"""One address over HTTP: each step that can fail is told apart, by real servers that fail at it."""

import datetime as dt

import pytest
from rigs.authority import Authority
from rigs.deaf import deaf_port
from rigs.http_proxy import CREDENTIALS, PASSWORD, USER, http_proxy
from rigs.raw_server import raw_server

from agent.checkup.finding import Subject, Verdict
from agent.checkup.http import Address, examine_address, hint_of_proxy
from agent.clock import SystemClock
from agent.config.secrets import Secret
from agent.http.access import ProxySection, TlsSection
from agent.model import SECOND

SUBJECT = Subject("destinations")
DAY = dt.timedelta(days=1)


def answering(status, *headers):
    """Answer every request so, and keep what was asked."""

    async def handle(rig, reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            rig.requests.append(head)
            lines = [f"HTTP/1.1 {status} X", "Content-Length: 0", *headers, "", ""]
            writer.write("\r\n".join(lines).encode())
            await writer.drain()

    return handle


async def silence(rig, reader, writer):
    await reader.read()


async def garbage(rig, reader, writer):
    writer.write(b"220 mail.plant ESMTP ready\r\n")
    await reader.read()


async def look(url, tls=None, proxy=None):
    return await examine_address(SUBJECT, "cmms", Address(url, tls, proxy), SystemClock())


async def one(url, tls=None, proxy=None):
    """The one finding of a look."""
    [finding] = (await look(url, tls, proxy)).findings
    assert finding.thing == "cmms"
    assert "canary" not in f"{finding.said} {finding.remedy}"
    return finding


@pytest.mark.parametrize(
    ("status", "verdict", "word"),
    [
        (200, Verdict.GOOD, "reached"),
        (204, Verdict.GOOD, "reached"),
        (401, Verdict.GOOD, "it answers 401"),
        (403, Verdict.GOOD, "it answers 403"),
        (404, Verdict.GOOD, "it answers 404"),
        (405, Verdict.GOOD, "it answers 405"),
        (302, Verdict.WARNING, "redirect"),
        (407, Verdict.PROBLEM, "407"),
        (501, Verdict.GOOD, "it answers 501"),
        (500, Verdict.WARNING, "it answers 500"),
        (503, Verdict.WARNING, "it answers 503"),
    ],
)
async def test_any_status_is_an_answer(status, verdict, word):
    """Reached is reached; no event goes out, no body, no credentials, only the question what is allowed there."""
    async with raw_server(answering(status)) as receiver:
        finding = await one(f"http://127.0.0.1:{receiver.port}/hooks?key=canary")

    assert finding.verdict is verdict
    assert word in finding.said
    assert f"127.0.0.1:{receiver.port}" in finding.said
    assert "TCP" in finding.said
    assert " ms" in finding.said
    [request] = receiver.requests
    assert request.startswith(b"OPTIONS /hooks?key=canary HTTP/1.1\r\n")
    assert b"uthorization" not in request
    assert b"webhook-id" not in request


async def test_a_port_where_nobody_listens_is_named(free_port):
    """Refused at once, before any TLS."""
    finding = await one(f"https://127.0.0.1:{free_port()}/")

    assert finding.verdict is Verdict.PROBLEM
    assert "TCP: 127.0.0.1:" in finding.said
    assert "refused" in finding.said
    assert "check that the program there runs" in finding.remedy


async def test_a_firewall_that_swallows_is_told_from_a_refusal():
    """No answer at all, within the bound of a connection."""
    with deaf_port() as port:
        finding = await one(f"http://127.0.0.1:{port}/")

    assert finding.verdict is Verdict.PROBLEM
    assert "does not answer within 5 s" in finding.said
    assert "firewalls" in finding.remedy


async def test_who_takes_the_connection_and_says_nothing_is_told_apart():
    """TCP has succeeded, and says so; HTTP has not."""
    async with raw_server(silence) as receiver:
        finding = await one(f"http://127.0.0.1:{receiver.port}/")

    assert "TCP" in finding.said
    assert "says nothing for 5 s" in finding.said


async def test_what_is_no_web_server_is_told_apart():
    """A mail server on the port."""
    async with raw_server(garbage) as receiver:
        finding = await one(f"http://127.0.0.1:{receiver.port}/")

    assert "not HTTP" in finding.said
    assert "check the port" in finding.remedy


async def test_no_addresses_are_asked_that_nothing_is_sent_to():
    """The metadata service of a cloud is no receiver, though it would answer."""
    finding = await one("http://169.254.169.254/")

    assert finding.verdict is Verdict.PROBLEM
    assert "link-local" in finding.said


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


async def over_tls(authority, *, host="127.0.0.1", ends_in=400 * DAY, ca=True, headers=()):
    """Look at a receiver with such a certificate."""
    files = authority.issue("receiver", host=host, ends_in=ends_in)
    async with raw_server(answering(405, *headers), files) as receiver:
        tls = TlsSection(ca=authority.certificate) if ca else None
        return await look(f"https://127.0.0.1:{receiver.port}/hooks", tls)


async def test_a_good_certificate_is_told_with_the_days_that_are_left(authority):
    """And the time of TLS and HTTP beside that of TCP."""
    [finding] = (await over_tls(authority)).findings

    assert finding.verdict is Verdict.GOOD
    assert "TLS and HTTP" in finding.said
    assert "certificate ends in 399 days" in finding.said


@pytest.mark.parametrize(
    ("made", "word", "remedy"),
    [
        ({"ends_in": -DAY / 2}, "certificate has expired", "renewed"),
        ({"host": "other.plant"}, "IP address mismatch", "a name that the certificate has"),
        ({"ca": False}, "unable to get local issuer", "tls: {ca: FILE}"),
    ],
)
async def test_a_certificate_that_is_refused_says_why_and_whose_it_is(authority, made, word, remedy):
    """Who has signed it tells at once whether somebody on the way has put in his own."""
    [finding] = (await over_tls(authority, **made)).findings

    assert finding.verdict is Verdict.PROBLEM
    assert "TLS:" in finding.said
    assert word in finding.said
    assert "it shows CN=receiver, signed by CN=authority" in finding.said
    assert remedy in finding.remedy


async def test_a_certificate_that_is_about_to_end_is_a_warning(authority):
    """It works today; the day stands there."""
    found = (await over_tls(authority, ends_in=DAY / 2)).findings
    by_verdict = {finding.verdict: finding for finding in found}

    assert set(by_verdict) == {Verdict.GOOD, Verdict.WARNING}
    assert "ends in 0 days" in by_verdict[Verdict.WARNING].said


async def test_plain_text_where_tls_is_wanted_is_told():
    """It answers the hello of TLS in plain text."""
    async with raw_server(garbage) as receiver:
        finding = await one(f"https://127.0.0.1:{receiver.port}/")

    assert "TLS" in finding.said
    assert "http or https" in finding.remedy


async def test_only_a_verified_receiver_tells_the_time(authority):
    """Its `Date` becomes an offset; over plain HTTP anyone could have written it."""
    date = "Date: Sun, 22 Nov 2026 00:00:00 GMT"
    answered = await over_tls(authority, headers=(date,))
    async with raw_server(answering(200, date)) as receiver:
        plain = await look(f"http://127.0.0.1:{receiver.port}/")
    clock = SystemClock()
    theirs = answered.utc_offset + clock.monotonic()

    assert abs(theirs - 1_795_305_600 * SECOND) < 60 * SECOND
    assert plain.utc_offset is None


async def test_a_proxy_that_lets_us_through_is_no_news():
    """What lies behind it is reached by it alone."""
    async with raw_server(answering(401)) as receiver, http_proxy(credentials=CREDENTIALS) as proxy:
        section = ProxySection(url=proxy.url, user=USER, password=Secret(PASSWORD))
        finding = await one(f"http://127.0.0.1:{receiver.port}/", proxy=section)

    assert finding.verdict is Verdict.GOOD
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_refuses_is_told_as_the_proxy(scheme):
    """It wants to know who asks; the receiver has nothing to do with it."""
    async with http_proxy(credentials=CREDENTIALS) as proxy:
        finding = await one(f"{scheme}://receiver.example/", proxy=ProxySection(url=proxy.url))

    assert finding.verdict is Verdict.PROBLEM
    assert f"the proxy 127.0.0.1:{proxy.port} answers 407" in finding.said
    assert "under `proxy`" in finding.remedy


async def test_a_proxy_that_forbids_the_way_is_told_as_the_proxy():
    """Its own answer to CONNECT."""
    async with http_proxy(answer=b"HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n") as proxy:
        finding = await one("https://receiver.example/", proxy=ProxySection(url=proxy.url))

    assert "the proxy 127.0.0.1" in finding.said
    assert "403" in finding.said


async def test_a_proxy_that_is_away_is_told_as_the_proxy(free_port):
    """The receiver is not even asked."""
    proxy = ProxySection(url=f"http://127.0.0.1:{free_port()}")
    finding = await one("https://receiver.example/", proxy=proxy)

    assert "the proxy 127.0.0.1" in finding.said
    assert "refused" in finding.said
    assert "proxy" in finding.remedy


@pytest.mark.parametrize(
    ("environment", "hint"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://anna:canary@proxy.plant:3128/"}, "{url: http://proxy.plant:3128}"),
        ({"http_proxy": "proxy.plant:8080"}, "{url: http://proxy.plant:8080}"),
        ({"https_proxy": "http://bad:port:here"}, ""),
    ],
)
def test_a_proxy_of_the_environment_is_a_hint_without_its_credentials(environment, hint):
    """The agent takes none from there; the person is told that there is one."""
    found = hint_of_proxy(environment)

    assert hint in found
    assert bool(found) == bool(hint)
    assert "canary" not in found
