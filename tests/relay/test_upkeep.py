"""What the relay sees to by itself: a certificate that somebody renews."""

import asyncio
import ssl

import pytest
from rigs.authority import Authority

from agent.relay.config import ServerTls
from agent.relay.upkeep import Certificate


async def served(certificate, authority):
    """The certificate that a client is shown, as bytes."""
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=certificate.context
    )
    async with server:
        context = ssl.create_default_context(cafile=authority.certificate)
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return shown


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path, caplog):
    """What cannot be used is told once, and the one before serves on."""
    authority = Authority(tmp_path)
    files = authority.issue("relay")
    certificate = Certificate(ServerTls(certificate=files[0], key=files[1]))
    first = await served(certificate, authority)
    certificate.renew()
    assert await served(certificate, authority) == first

    key = files[1].read_bytes()
    files[1].write_bytes(b"half a key")
    certificate.renew()
    certificate.renew()
    assert await served(certificate, authority) == first
    assert caplog.text.count("cannot be used") == 1

    files[1].write_bytes(key)
    authority.issue("relay")
    certificate.renew()
    assert await served(certificate, authority) != first


def test_a_key_with_a_password_is_refused_and_not_asked_for(tmp_path):
    """Nobody sits at the terminal."""
    files = Authority(tmp_path).issue("relay", password="secret")

    with pytest.raises(ssl.SSLError):
        Certificate(ServerTls(certificate=files[0], key=files[1]))
