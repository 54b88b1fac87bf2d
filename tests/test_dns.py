"""Names of devices: looked up where a name server that hangs can starve nobody."""

import asyncio
import socket
import threading
from unittest.mock import patch

import pytest

from agent.dns import look_up
from agent.errors import SourceError


@pytest.mark.parametrize(
    ("host", "expected"),
    [("192.168.1.5", ["192.168.1.5"]), ("::1", ["::1"]), ("fe80::1%lo", ["fe80::1%lo"])],
)
async def test_an_address_is_its_own(host, expected):
    """Nobody is asked."""
    with patch.object(socket, "getaddrinfo", side_effect=AssertionError):
        assert await look_up(host, 502) == expected


async def test_a_name_has_addresses():
    """All of them, to be tried in turn."""
    assert "127.0.0.1" in await look_up("localhost", 502)


@pytest.mark.parametrize("host", ["no-such-plc.invalid", "a" * 70])
async def test_an_unknown_name_is_told_with_the_remedy(host):
    """Also one that no name server could know."""
    with pytest.raises(SourceError, match=f"{host}: the name cannot be resolved .*: write the IP address"):
        await look_up(host, 502)


async def test_a_name_server_that_hangs_holds_up_its_own_question_alone():
    """The wait can be given up, the loop's executor has room for others, and the thread holds up no end."""
    answers = threading.Event()

    def hang(*_, **__):
        answers.wait(20)
        raise OSError

    with patch.object(socket, "getaddrinfo", hang):
        for _ in range(20):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await look_up("plc.plant", 502)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 5), 5) == 5
    hanging = [thread for thread in threading.enumerate() if thread.name == "look up plc.plant"]
    answers.set()

    assert len(hanging) == 20
    assert all(thread.daemon for thread in hanging)
