"""Modbus/TCP Security: both sides prove themselves, and what is wrong with a certificate is said."""

import datetime as dt
import ssl

import pytest
from rigs.authority import Authority
from rigs.modbus_server import ModbusServer
from rigs.modbus_session import Sink, holding, one_session, sessions, source

from agent.sources.writing import WriteSection

DAY = dt.timedelta(days=1)


@pytest.fixture
def authority(tmp_path):
    """The plant's authority."""
    return Authority(tmp_path, "plant")


def device(authority, *, mutual=True, **certificate: object):
    """A device with a certificate; `mutual`: it wants one of every client as well, signed by that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("device", **certificate))
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.certificate)
    return ModbusServer(context=context)


def secured(server, authority, client=None, **more: object):
    """A source that trusts that authority; `client` are its own files."""
    own = {"certificate": str(client[0]), "key": str(client[1])} if client else {}
    tls = {"ca": str(authority.certificate), **own, **more}
    return source(server, holding(0, 100), tls=tls, timeout="5s")


async def test_both_sides_prove_themselves(authority):
    """Values come over TLS with a certificate of each side."""
    sink = Sink()
    async with (
        device(authority) as server,
        sessions(secured(server, authority, authority.issue("relay")), sink),
    ):
        await sink.polls(2)

    assert set(sink.good("H100")) == {100}
    assert (server.accepted, sink.ends) == (1, [])


async def test_a_value_is_written_over_tls(authority):
    """Once, and it is read back."""
    sink = Sink()
    async with device(authority) as server:
        config = secured(server, authority, authority.issue("relay"))
        tag = config.tags["H100"].model_copy(update={"write": WriteSection(min=0, max=10)})
        config = config.model_copy(update={"tags": config.tags | {"H100": tag}})
        async with sessions(config, sink):
            await sink.until(lambda: sink.door.writer)
            await sink.door.writer.write("H100", 7)
            await sink.until(lambda: 7 in sink.good("H100"))

    assert (len(server.writes), server.accepted, sink.ends) == (1, 1, [])


async def test_a_lost_tls_connection_is_noticed_at_once(authority):
    """As any other."""
    sink = Sink()
    async with device(authority, mutual=False) as server, sessions(secured(server, authority), sink):
        await sink.polls(1)
        server.drop_connections()
        await sink.until(lambda: sink.ends)
        batches = len(sink.batches)
        await sink.until(lambda: len(sink.batches) > batches)

    assert "closed the connection" in sink.ends[0]


async def test_an_expired_certificate_is_named_and_its_renewal_taken(authority):
    """Without a restart: whoever replaces the file is done."""
    sink = Sink()
    async with (
        device(authority, mutual=False, ends_in=-DAY) as server,
        sessions(secured(server, authority), sink),
    ):
        await sink.until(lambda: sink.ends)
        server.context.load_cert_chain(*authority.issue("device"))
        await sink.until(lambda: sink.batches)

    assert sink.ends[0] == (
        f"127.0.0.1:{server.port}: the device's certificate is refused (certificate has expired): "
        "renew it at the device, and check the clock of this machine"
    )


async def test_our_own_certificates_are_read_anew_at_each_connect(authority, tmp_path):
    """The authority's file is replaced on disk: the next attempt trusts the new one."""
    other = Authority(tmp_path, "other")
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(other.certificate.read_bytes())
    sink = Sink()
    async with (
        device(authority, mutual=False) as server,
        sessions(secured(server, authority, ca=str(trusted)), sink),
    ):
        await sink.until(lambda: sink.ends)
        trusted.write_bytes(authority.certificate.read_bytes())
        await sink.until(lambda: sink.batches)

    assert sink.ends[0] == (
        f"127.0.0.1:{server.port}: the device's certificate is refused (unable to get local issuer certificate): "
        f"it is not signed by {trusted} (tls: ca:): name the PEM file of the one that did"
    )


async def test_a_certificate_of_another_host_is_refused(authority):
    """Unless its name is written down: devices move more often than their certificates are renewed."""
    async with device(authority, mutual=False, host="plc7.plant") as server:
        text = await one_session(secured(server, authority), Sink())
        async with sessions(secured(server, authority, server_name="plc7.plant"), sink := Sink()):
            await sink.polls(1)

    assert text.startswith(
        f"127.0.0.1:{server.port}: the device's certificate is refused (IP address mismatch"
    )
    assert text.endswith("write url with a name that it holds, or that name as tls: {server_name: NAME}")


async def test_a_device_with_a_certificate_of_its_own_making(tmp_path):
    """It is its own authority: trusted when it is the very one that is named."""
    own = Authority(tmp_path, "self")
    files = own.issue("device")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    sink = Sink()
    async with (
        ModbusServer(context=context) as server,
        sessions(secured(server, own, ca=str(files[0])), sink),
    ):
        await sink.polls(1)

    assert not sink.ends


@pytest.mark.parametrize("whose", ["nobody", "another"])
async def test_a_client_that_the_device_does_not_trust_learns_it(authority, tmp_path, whose):
    """Without a certificate, and with one of another authority."""
    client = Authority(tmp_path, "another").issue("relay") if whose == "another" else None
    async with device(authority) as server:
        text = await one_session(secured(server, authority, client), Sink())

    # Not every device says so before it hangs up.
    assert text.startswith(
        (
            f"127.0.0.1:{server.port} closed the connection before its first answer: ",
            f"127.0.0.1:{server.port} ended the TLS connection (",
        )
    )
    assert "it may not take the agent's certificate" in text


@pytest.mark.parametrize(
    ("tls", "end"),
    [
        (
            {"ca": "missing.pem"},
            "missing.pem cannot be used (No such file or directory): tls: ca: wants a PEM file",
        ),
        ({"certificate": "missing.pem"}, "that belong together, the key without a password"),
    ],
)
async def test_files_that_cannot_be_used_are_named(authority, tls, end):
    """With what is expected in them."""
    async with device(authority, mutual=False) as server:
        text = await one_session(secured(server, authority, **tls), Sink())

    assert text.endswith(end)


async def test_what_speaks_no_tls_is_said_to(authority):
    """tls:// at the port of plain Modbus."""
    async with ModbusServer() as server:
        config = source(
            server,
            holding(0),
            url=f"tls://127.0.0.1:{server.port}",
            tls={"ca": str(authority.certificate)},
            timeout="300ms",
        )
        text = await one_session(config, Sink())

    assert "no connection within 0.3 s" in text or "speaks no TLS" in text


async def test_what_speaks_tls_alone_is_said_to():
    """tcp:// at the port of Modbus/TCP Security: it answers a request with an alert of TLS, and hangs up."""

    async def alert(exchange):
        await exchange.send(bytes.fromhex("15030300020246"))
        exchange.writer.close()

    async with ModbusServer(behave=alert) as server:
        text = await one_session(source(server, holding(0)), Sink())

    assert text == f"127.0.0.1:{server.port} speaks TLS: write tls:// and the port of that (mostly 802)"
