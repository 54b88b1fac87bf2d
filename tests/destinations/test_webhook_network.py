"""Names and sockets: dead peers are noticed, no address is reached that must not be, a hung look-up holds up nobody."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from ipaddress import ip_address

import pytest
from rigs.raw_server import answers, raw_server
from rigs.webhook import MESSAGE, opened

from agent.http.addresses import forbidden
from agent.http.network import ForbiddenAddressError, Resolver, open_socket
from agent.model import Answer, NoAnswer

KEEPALIVE = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 5,
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 3,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 15_000,
}


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("169.254.169.254", "link-local"),
        ("169.254.0.1", "link-local"),
        ("fe80::1", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("255.255.255.255", "broadcast"),
    ],
)
def test_addresses_that_nothing_is_sent_to(address, kind):
    """X4: metadata services, and what is nobody's; no socket is made for them."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    assert forbidden(ip_address(address)).startswith(f"nothing is sent to {kind} addresses")
    with pytest.raises(ForbiddenAddressError, match=kind):
        open_socket((family, socket.SOCK_STREAM, 6, "", (address, 80)))


@pytest.mark.parametrize("address", ["10.0.8.4", "192.168.1.1", "127.0.0.1", "203.0.113.7", "fd12::1", "::1"])
def test_a_plants_own_addresses_are_lawful(address):
    """A receiver within the plant is what most plants have."""
    assert forbidden(ip_address(address)) == ""


async def test_a_name_that_means_another_address_later_is_refused_there(monkeypatch):
    """X4, rebinding: what counts is the address that is connected to."""
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))
            for address in ("169.254.169.254", "169.254.1.1")
        ],
    )
    async with opened("http://rebound.example/", timeout="1s") as destination:
        outcome = await destination.deliver(MESSAGE)

    assert isinstance(outcome, NoAnswer)
    assert "nothing is sent to link-local addresses" in outcome.why


async def test_a_live_connection_notices_a_dead_peer_within_fifteen_seconds():
    """N2: 5 s of silence, then three questions 3 s apart; 15 s for what was sent and not acknowledged."""
    async with raw_server(answers()) as server, opened(server.port) as destination:
        await destination.deliver(MESSAGE)
        [kept] = destination._session.connector._conns.values()
        used = kept[0][0].transport.get_extra_info("socket")

        assert {option: used.getsockopt(*option) for option in KEEPALIVE} == KEEPALIVE


# --- look-ups ------------------------------------------------------------------------------------------


@pytest.fixture
def over():
    """Set, it ends the black hole."""
    return threading.Event()


@pytest.fixture
def black_hole(monkeypatch, over):
    """A resolver that does not answer for `*.hung` until it is over; gives the threads in it."""
    ask = socket.getaddrinfo
    inside = []

    def hang(host, *arguments, **options):
        if str(host).endswith(".hung"):
            inside.append(threading.current_thread())
            over.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return ask(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield inside
    over.set()
    for thread in inside:
        thread.join(5)
        assert not thread.is_alive()


async def test_eight_hung_look_ups_starve_nobody(black_hole):
    """Two threads hang, six attempts wait; another destination and the default executor do not notice."""
    async with (
        raw_server(answers()) as server,
        opened("http://cmms.hung/", timeout="2s") as hung,
        opened(f"http://localhost:{server.port}/") as well,
    ):
        attempts = [asyncio.create_task(hung.deliver(MESSAGE)) for _ in range(8)]
        await asyncio.sleep(0.1)
        began = time.monotonic()

        assert isinstance(await well.deliver(MESSAGE), Answer)
        assert await asyncio.to_thread(lambda: 1) == 1
        assert time.monotonic() - began < 1
        assert 1 <= len(black_hole) <= 2
        assert {outcome.why for outcome in await asyncio.gather(*attempts)} == {"no answer within 2 s"}


async def test_a_hung_look_up_is_named(black_hole, monkeypatch):
    """It has its own time, within that of the attempt."""
    monkeypatch.setattr("agent.http.network.LOOK_UP_SECONDS", 0.2)
    async with opened("http://cmms.hung/") as hung:
        outcome = await hung.deliver(MESSAGE)

    assert outcome.why == (
        "DNS: cmms.hung is not found (no answer within 0.2 s): check the name and the resolver"
    )


async def test_look_ups_that_hang_are_limited_and_the_limit_is_given_back(black_hole, over, monkeypatch):
    """At most two threads a destination; when they come back, the next look-up goes on."""
    monkeypatch.setattr("agent.http.network.LOOK_UP_SECONDS", 0.2)
    resolver = Resolver()
    results = await asyncio.gather(
        *(resolver.resolve(f"host{number}.hung") for number in range(8)), return_exceptions=True
    )

    assert {result.strerror for result in results} == {"no answer within 0.2 s"}
    assert len(black_hole) == 2
    with pytest.raises(OSError, match="no answer within"):
        await resolver.resolve("localhost")
    over.set()
    monkeypatch.setattr("agent.http.network.LOOK_UP_SECONDS", 5)
    assert await resolver.resolve("localhost")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "cmms..example.com", "a" * 64 + ".example"])
async def test_a_name_that_is_refused_takes_no_look_up_away(host):
    """Three failures later the resolver still has both of its threads."""
    resolver = Resolver()
    for _ in range(3):
        with pytest.raises(OSError, match=r"not known|called so"):
            await resolver.resolve(host)

    found = await resolver.resolve("localhost", 80)
    assert {address["port"] for address in found} == {80}
    assert {address["host"] for address in found} <= {"127.0.0.1", "::1"}


def test_a_hung_look_up_does_not_delay_the_exit():
    """A process that is to stop stops, whatever the resolver does."""
    program = (
        "import asyncio, socket, time\n"
        "from agent.http.network import Resolver\n"
        "socket.getaddrinfo = lambda *_, **__: time.sleep(60)\n"
        "async def main():\n"
        "    task = asyncio.create_task(Resolver().resolve('cmms.hung'))\n"
        "    await asyncio.sleep(0.1)\n"
        "    task.cancel()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=20, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
