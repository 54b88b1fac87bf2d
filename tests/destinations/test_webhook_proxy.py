"""The way by an HTTP proxy: a tunnel to https://, passed on to http://; who is shown what; what the proxy refuses."""

import asyncio
import logging
import re

import pytest
import uvloop
from rigs.authority import Authority
from rigs.http_proxy import CREDENTIALS, PASSWORD, USER, http_proxy
from rigs.raw_server import answers, raw_server
from rigs.token_endpoint import token_endpoint
from rigs.webhook import MESSAGE, opened, section

from agent.http.proxy import way_to
from agent.model import Answer, Blocked, NoAnswer

HOST = "cmms.example.com"
CANARY = "c4n4ry"
SECRETS = {
    "auth": {"bearer": f"bearer-{CANARY}"},
    "headers": {"X-Key": f"header-{CANARY}"},
    "signing": {"secret": "whsec_" + CANARY * 6},
}


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on one of the loops: the agent runs on uvloop where it can."""

    def run(coroutine):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(coroutine)

    return run


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def by(proxy, **more: object):
    return {"url": proxy.url, **more}


def headers_of(request):
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return lines[0], {name.lower(): text for name, _, text in (line.partition(": ") for line in lines[1:])}


def test_https_is_tunnelled_and_the_proxy_learns_nothing_of_it(authority, run):
    """Host and port, its own credentials, and none of the receiver's; one tunnel serves many messages."""

    async def check():
        certificate = authority.issue("server", host=HOST)
        async with raw_server(answers(), certificate) as server:
            async with http_proxy({HOST: server.port}, credentials=CREDENTIALS) as proxy:
                proxied = by(proxy, user=USER, password=PASSWORD)
                tls = {"ca": str(authority.certificate)}
                url = f"https://{HOST}/hooks?key={CANARY}"
                async with opened(url, proxy=proxied, tls=tls, **SECRETS) as destination:
                    outcomes = [await destination.deliver(MESSAGE) for _ in range(3)]
            return outcomes, proxy.heads, server

    outcomes, heads, server = run(check())

    assert [outcome.status for outcome in outcomes] == [204] * 3
    [head] = heads
    assert head[""] == f"CONNECT {HOST}:443 HTTP/1.1"
    assert head["proxy-authorization"] == CREDENTIALS
    assert not {name for name in head if name.startswith("webhook") or name in {"authorization", "x-key"}}
    assert CANARY not in str(head)
    line, headers = headers_of(server.requests[0])
    assert line == f"POST /hooks?key={CANARY} HTTP/1.1"
    assert headers["authorization"] == f"Bearer bearer-{CANARY}"
    assert "proxy-authorization" not in headers


def test_http_is_passed_on(run):
    """With the credentials of the proxy for the proxy, which keeps them to itself."""

    async def check():
        async with (
            raw_server(answers()) as server,
            http_proxy({"cmms.plant": server.port}, credentials=CREDENTIALS) as proxy,
            opened("http://cmms.plant/hooks", proxy=by(proxy, user=USER, password=PASSWORD)) as destination,
        ):
            return await destination.deliver(MESSAGE), proxy.heads, server.requests

    outcome, [head], [request] = run(check())
    line, headers = headers_of(request)

    assert outcome.status == 204
    assert head[""] == "POST http://cmms.plant/hooks HTTP/1.1"
    assert head["proxy-authorization"] == CREDENTIALS
    assert line == "POST /hooks HTTP/1.1"
    assert headers["host"] == "cmms.plant"
    assert "proxy-authorization" not in headers


async def test_what_is_shown_has_no_credentials_of_the_proxy():
    """`send-test` prints the headers that the receiver gets."""
    proxied = {"url": "http://proxy.plant:3128", "user": USER, "password": PASSWORD}
    async with opened("http://cmms.plant/hooks", proxy=proxied) as destination:
        shown = destination.headers(MESSAGE)

    assert CREDENTIALS not in shown.values()
    assert "webhook-signature" in shown


async def test_the_token_endpoint_is_reached_by_the_same_proxy():
    """And the receiver straight, if `no_proxy` says so."""
    async with token_endpoint() as endpoint, http_proxy({"login.plant": endpoint.port}) as proxy:
        oauth2 = endpoint.oauth2 | {"token_url": "http://login.plant/token"}
        proxied = by(proxy, no_proxy=["127.0.0.0/8"])
        async with opened(endpoint.port, proxy=proxied, auth={"oauth2": oauth2}) as destination:
            outcome = await destination.deliver(MESSAGE)

    assert outcome.status == 204
    assert [head[""] for head in proxy.heads] == ["POST http://login.plant/token HTTP/1.1"]


@pytest.mark.parametrize(
    ("entry", "url", "straight"),
    [
        ("plant.local", "https://plant.local/", True),
        ("plant.local", "https://cmms.plant.local/", True),
        (".plant.local", "https://CMMS.Plant.Local./", True),
        ("plant.local", "https://otherplant.local/", False),
        ("plant.local", "https://plant.local.example.com/", False),
        ("10.0.0.0/8", "http://10.0.8.4:8086/", True),
        ("10.0.8.4", "http://10.0.8.4:8086/", True),
        ("10.0.8.4", "http://10.0.8.40:8086/", False),
        ("10.0.0.0/8", "http://historian.plant/", False),
        ("fd00::/8", "http://[fd12::1]/", True),
        ("::/0", "http://10.0.8.4/", False),
    ],
)
def test_who_is_reached_without_the_proxy(entry, url, straight):
    """Hosts with all that end in them, addresses and networks."""
    config = section(url, proxy={"url": "http://proxy.plant:3128", "no_proxy": ["x.example", entry]})

    assert (way_to(config.url, config.proxy).proxy is None) is straight


async def refused(answer=None, *, url="https://127.0.0.1:9/?key=c4n4ry", credentials="", **proxied: object):
    """What comes of an attempt by a proxy that says something else than that it passes it on."""
    async with (
        http_proxy(answer=answer, credentials=credentials) as proxy,
        opened(url, proxy=by(proxy, **proxied)) as destination,
    ):
        return proxy.port, await destination.deliver(MESSAGE)


@pytest.mark.parametrize("url", ["https://127.0.0.1:9/", "http://127.0.0.1:9/"])
@pytest.mark.parametrize("proxied", [{}, {"user": USER, "password": "wrong"}])
def test_a_proxy_that_wants_other_credentials_is_the_row_of_407(url, proxied, run):
    """Also where it refuses a tunnel; what else it says there is not the receiver's word."""
    _, outcome = run(refused(url=url, credentials=CREDENTIALS, **proxied))

    assert isinstance(outcome, Answer)
    assert outcome.status == 407


def test_a_proxy_that_refuses_a_tunnel_disables_nobody(run):
    """A header of the proxy is not one of the receiver."""
    said = b"HTTP/1.1 407 X\r\nwebhook-delivery: disable\r\nContent-Length: 0\r\n\r\n"

    _, outcome = run(refused(said))

    assert (outcome.status, dict(outcome.headers)) == (407, {})


@pytest.mark.parametrize(
    ("status", "blocked", "remedy"),
    [
        (502, Blocked.WEATHER, "it does not reach it"),
        (503, Blocked.WEATHER, "it does not reach it"),
        (504, Blocked.WEATHER, "it does not reach it"),
        (429, Blocked.WEATHER, "it does not reach it"),
        (403, Blocked.CONFIGURATION, "check `proxy`, and what the proxy allows"),
        (404, Blocked.CONFIGURATION, "check `proxy`, and what the proxy allows"),
        (302, Blocked.CONFIGURATION, "check `proxy`, and what the proxy allows"),
    ],
)
def test_what_else_a_proxy_answers_is_said_of_the_proxy(status, blocked, remedy, run):
    """It has not asked the receiver: no event is charged."""
    port, outcome = run(refused(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()))

    assert isinstance(outcome, NoAnswer)
    assert outcome.why == (
        f"the proxy 127.0.0.1:{port} answered {status} when it was asked for 127.0.0.1:9: {remedy}"
    )
    assert (outcome.blocked, outcome.unsent) == (blocked, True)


def test_a_proxy_that_is_not_there_is_named(run, free_port):
    """Host and port; by its name, the look-up."""
    port = free_port()

    async def check(proxy):
        async with opened("https://cmms.example.com/", proxy={"url": proxy}) as destination:
            return await destination.deliver(MESSAGE)

    gone, unknown = run(check(f"http://127.0.0.1:{port}")), run(check("http://no-such-proxy.invalid:3128"))

    assert (
        gone.why
        == f"connect to the proxy: 127.0.0.1:{port}: Connection refused: check that it runs, and the port"
    )
    assert unknown.why.startswith("the proxy's DNS: no-such-proxy.invalid is not found (")
    assert {gone.blocked, unknown.blocked} == {Blocked.WEATHER}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            b"",
            "the receiver, or the proxy 127.0.0.1:PORT before it, closed the connection before it answered",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP: check the port, and http or https"),
        (
            b"HTTP/1.1 200 X\r\n\r\nplain text",
            "TLS: ",
        ),
    ],
)
def test_a_proxy_that_misbehaves(answer, why, run):
    """In words; it may have been the receiver."""
    port, outcome = run(refused(answer))

    assert isinstance(outcome, NoAnswer)
    assert why.replace("PORT", str(port)) in outcome.why


def test_the_receivers_certificate_is_checked_through_the_tunnel(authority, run):
    """A proxy that intercepts is not the receiver, unless its authority is trusted on purpose."""

    async def check(**tls: str):
        async with (
            raw_server(answers(), authority.issue("server", host=HOST)) as server,
            http_proxy({HOST: server.port}) as proxy,
            opened(f"https://{HOST}/", proxy=by(proxy), tls=tls) as destination,
        ):
            return await destination.deliver(MESSAGE), server.requests

    refused, requests = run(check())
    trusted, _ = run(check(ca=str(authority.certificate)))

    assert refused.why.startswith(f"TLS: the certificate of {HOST} is not accepted (")
    assert requests == []
    assert isinstance(trusted, Answer)


def test_no_credential_is_told(run, caplog):
    """X2: neither by the outcome nor by any logger of any level."""
    caplog.set_level(logging.DEBUG)
    _, outcome = run(refused(credentials="Basic other", user=USER, password=f"p-{CANARY}"))
    _, failed = run(refused(b"HTTP/1.1 502 X\r\n\r\n", user=USER, password=f"p-{CANARY}"))
    told = " ".join([repr(outcome), repr(failed), caplog.text])

    assert CANARY not in told
    assert not re.search("Basic [a-zA-Z0-9]{6}", told)
