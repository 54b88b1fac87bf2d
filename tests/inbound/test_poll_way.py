"""How a polling endpoint is reached: TLS, proxies, names; and what of that is refused when it is written."""

import re
import socket
import threading

import pytest
from pydantic import ValidationError
from rigs.authority import Authority
from rigs.http_proxy import CREDENTIALS, PASSWORD, USER, http_proxy
from rigs.poll_relay import TOKEN, poll_relay, says
from rigs.poll_turns import asked_by_turns, section
from rigs.relay_session import running

from agent import __version__
from agent.clock import SystemClock
from agent.inbound.poll.config import PollRelay
from agent.model import SECOND

URL = "https://relay.example.com/out/plant-7"


def written(**more: object) -> PollRelay:
    return PollRelay.model_validate({"type": "poll", "verify": "none", "url": URL} | more)


async def test_a_relay_of_the_plants_own_authority_is_asked_over_tls(tmp_path):
    """With its certificate named, and not without."""
    authority = Authority(tmp_path)
    async with poll_relay(certificate=authority.issue("relay")) as relay:
        relay.put(b"1")
        async with running(section(relay)) as session:
            refused = await session.error()
        async with running(section(relay, tls={"ca": authority.certificate})) as session:
            await session.until(lambda: session.taken)

    assert "TLS: the certificate of 127.0.0.1 is not accepted" in refused
    assert "tls: {ca: FILE}" in refused


async def test_a_certificate_that_is_not_there_is_told():
    """The file is named; the relay is not asked."""
    async with poll_relay() as relay:
        config = section(relay, url=relay.url.replace("http", "https"), tls={"ca": "/nowhere/ca.pem"})
        async with running(config) as session:
            said = await session.error()

    assert "/nowhere/ca.pem" in said
    assert "the relay's authority" in said
    assert not relay.asked


class _Later(SystemClock):
    """A clock that a test can put forward."""

    ahead = 0

    def monotonic(self) -> int:
        return super().monotonic() + self.ahead


async def test_a_certificate_that_is_renewed_is_told_of_the_relay(tmp_path, caplog):
    """A new connection uses it; the log speaks of a relay, and not of a destination."""
    caplog.set_level("INFO", "agent")
    authority, clock = Authority(tmp_path), _Later()
    async with poll_relay(certificate=authority.issue("relay")) as relay:
        tls = {"ca": authority.certificate}
        async with asked_by_turns(relay, clock=clock, tls=tls) as turns:
            await turns.turn()
            authority.certificate.touch()
            clock.ahead = 6 * SECOND
            await turns.turn()

    assert [record.message for record in caplog.records] == [
        "relay cloud: its certificates have changed, new connections use them"
    ]


async def test_a_tunnel_is_told_where_to_and_nothing_else(tmp_path):
    """The proxy has its own credentials; neither token nor path of the relay reach it."""
    authority = Authority(tmp_path)
    async with (
        poll_relay(certificate=authority.issue("relay", host="relay.example.com")) as relay,
        http_proxy({"relay.example.com": relay.port}, credentials=CREDENTIALS) as proxy,
    ):
        relay.put(b"1")
        way = {"url": proxy.url, "user": USER, "password": PASSWORD}
        config = section(relay, url=f"{URL}?key=k", tls={"ca": authority.certificate}, proxy=way)
        async with running(config) as session:
            await session.until(lambda: session.taken)

    [head] = proxy.heads
    assert head[""] == "CONNECT relay.example.com:443 HTTP/1.1"
    assert TOKEN not in str(head)
    assert "plant-7" not in str(head)
    assert "Proxy-Authorization" not in relay.asked[0].headers


@pytest.mark.parametrize(
    ("answered", "why"),
    [
        (None, r"^relay.example.com:443: connect to the proxy: 127.0.0.1:1: Connection refused"),
        (b"HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n", "answered 407 .*: check `proxy`"),
        (b"HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n", "answered 502 .*: it does not reach it"),
    ],
)
async def test_what_is_the_proxys_is_told_as_the_proxys(answered, why):
    """The relay is named first, then whose fault it is."""
    async with poll_relay() as relay, http_proxy(answer=answered or b"") as proxy:
        url = proxy.url if answered else "http://127.0.0.1:1"
        async with running(section(relay, url=URL, proxy={"url": url})) as session:
            said = await session.error()

    assert re.search(why, said), said


async def test_a_name_that_leads_to_where_nothing_is_sent_is_refused(monkeypatch):
    """Where it leads is looked at when it is connected to, by a look-up that can starve nobody (X4)."""

    def name_server(host, port, *rest: object, **named: object):
        assert threading.current_thread().name == "look-up relay.plant"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]

    monkeypatch.setattr(socket, "getaddrinfo", name_server)
    async with running(written(url="http://relay.plant/out")) as session:
        said = await session.error()

    assert "nothing is sent to link-local addresses: check the address" in said


async def test_the_environment_has_no_say(monkeypatch):
    """A proxy that stands there is not used."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with poll_relay() as relay, running(section(relay)) as session:
        await session.until(lambda: session.answers)


async def test_what_a_question_says_of_the_agent():
    """Its version, the token, that it wants no compression; its address keeps the query that it has; no cookie."""
    async with poll_relay() as relay:
        relay.next_answers = [
            says(body='{"data":[],"iterator":"it 0/0","done":false}', Set_Cookie="a=b; Path=/")
        ]
        url = relay.url.replace("127.0.0.1", "localhost")  # cookies are for names
        async with running(section(relay, url=f"{url}?event_type=order")) as session:
            await session.until(lambda: session.answers >= 2)

    for asked in relay.asked:
        assert asked.headers["User-Agent"] == f"edge-relay/{__version__}"
        assert asked.headers["Accept"] == "application/json"
        assert asked.headers["Accept-Encoding"] == "identity"
        assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
        assert "Cookie" not in asked.headers
        assert asked.query["event_type"] == "order"


async def test_a_connection_is_kept():
    """A question that follows the last one needs no new one."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        ports = set()

        async def ordinary(request):
            ports.add(request.transport.get_extra_info("peername"))
            return await relay.ordinary(request)

        relay.next_answers = [ordinary] * 5
        await turns.pauses(5)

    assert len(ports) == 1


@pytest.mark.parametrize(
    "url", ["http://relay.plant/out", "http://10.0.0.7:8080/out", "http://127.0.0.1.plant/"]
)
def test_a_token_that_everyone_can_read_is_refused(url):
    """Unless that is accepted in so many words; without a token http:// is nobody's business."""
    with pytest.raises(ValidationError, match="shows the token to anyone on the network"):
        written(url=url, token="sk_poll_x")

    written(url=url, token="sk_poll_x", insecure_token=True)
    written(url=url)


@pytest.mark.parametrize(
    "url", ["http://localhost:8080/out", "http://127.0.0.1/", "http://[::1]/", "HTTPS://x/"]
)
def test_a_token_that_stays_within_the_machine_or_is_encrypted_is_taken(url):
    """Nobody on the network sees it."""
    written(url=url, token="sk_poll_x")


def test_a_token_that_a_proxy_would_read_is_refused():
    """However near the address looks: the question goes to the proxy first, as it is."""
    proxy = {"url": "http://proxy.plant:3128"}
    with pytest.raises(ValidationError, match="shows the token"):
        written(url="http://127.0.0.1/", token="sk_poll_x", proxy=proxy)

    written(url="http://127.0.0.1/", token="sk_poll_x", proxy=proxy | {"no_proxy": ["127.0.0.0/8"]})


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"url": "http://relay.plant/", "tls": {"ca": "ca.pem"}}, "`tls` has no effect on http://"),
        ({"token": "sk\npoll"}, "printable ASCII"),
        ({"url": "https://u:p@relay.plant/"}, "no user or password in the address"),
        ({"limit": 251}, "limit"),
        ({"every": "100ms"}, "every"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_loaded(more, why):
    """With the remedy, and without the token."""
    with pytest.raises(ValidationError, match=why) as refusal:
        written(**more)

    assert "poll" not in str(refusal.value).replace("PollRelay", "")


@pytest.mark.parametrize(
    ("more", "raw"),
    [
        ({}, True),
        ({"url": "https://notsvix.com/"}, True),
        ({"body": "parsed"}, False),
        ({"url": "https://api.eu.svix.com/api/v1/app/app_1/poller/sink_1"}, False),
        ({"url": "https://SVIX.com./"}, False),
    ],
)
def test_a_relay_that_gives_no_raw_bytes_says_so_and_which_kinds_do(more, raw):
    """For whoever loads the file: a signature cannot be verified with it."""
    said = written(**more).raw_bytes

    assert bool(said) is not raw
    assert raw or re.search("edge-relay relay.*gosmee.*NATS", said)
