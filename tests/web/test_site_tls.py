"""The page over TLS: its certificate is renewed, changed and mended while the agent works."""

import asyncio
import ssl
from contextlib import suppress

from rigs.authority import Authority
from rigs.site import ANNA, site
from rigs.stores import eventually

from agent.web import site as module

TLS = ", tls: {certificate: page.pem, key: page.key}"


async def shown(here, authority):
    """The certificate that a client sees, which it must trust."""
    context = ssl.create_default_context(cafile=authority.certificate)
    _, writer = await asyncio.open_connection("127.0.0.1", here.port, ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return certificate


async def test_a_renewed_certificate_is_shown_to_whoever_comes_next(tmp_path, free_port, monkeypatch):
    """Without a restart, and an open stream goes on; whoever connects and says nothing holds up nobody."""
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.05)
    authority = Authority(tmp_path)
    authority.issue("page")
    ca = authority.certificate
    async with site(tmp_path, free_port(), ca=ca, listen="0.0.0.0", more=TLS) as here:
        before = await shown(here, authority)
        silent = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(20)]
        assert await here.status("/api/status", token=ANNA, ca=ca) == 200
        assert await here.status("/api/status", ca=ca) == 401
        authority.issue("page")
        async with asyncio.timeout(30):
            while await shown(here, authority) == before:
                await asyncio.sleep(0.02)
        for _, writer in silent:
            writer.close()


async def test_a_reload_takes_a_renewed_certificate_although_nothing_is_changed(tmp_path, free_port, caplog):
    """At once, as whoever renews it by a script wants; half a renewal is told, and the one before serves on."""
    authority = Authority(tmp_path)
    _, key = authority.issue("page")
    async with site(tmp_path, free_port(), ca=authority.certificate, listen="0.0.0.0", more=TLS) as here:
        before, right = await shown(here, authority), key.read_bytes()
        authority.issue("other")
        key.write_bytes((tmp_path / "other.key").read_bytes())
        assert await here.agent.reload() == []
        await eventually(lambda: "page.pem cannot be used" in caplog.text)
        assert await shown(here, authority) == before
        key.write_bytes(right)
        authority.issue("page")
        assert await here.agent.reload() == []
        async with asyncio.timeout(30):
            after = before
            while after == before:
                with suppress(ConnectionResetError):  # certificate and key are taken one after the other
                    after = await shown(here, authority)


async def test_a_reload_turns_tls_on_and_off(tmp_path, free_port, caplog, monkeypatch):
    """What cannot be used is said, and waited for; the agent goes on meanwhile."""
    monkeypatch.setattr(module, "_READ_AGAIN_S", 0.05)
    read, tries = module._read, []
    monkeypatch.setattr(module, "_read", lambda tls: tries.append(tls) or read(tls))
    authority = Authority(tmp_path)
    certificate, key = authority.issue("page")
    right = key.read_bytes()
    key.write_bytes(b"no key")
    async with site(tmp_path, free_port()) as here:
        here.write(more=TLS)
        assert await here.agent.reload() == [{"section": "http", "key": "tls"}]
        await eventually(lambda: len(tries) > 3, 30)
        assert here.agent.stuck() == ""
        key.write_bytes(right)
        async with asyncio.timeout(30):
            while not await here.is_up(authority.certificate):
                await asyncio.sleep(0.02)
        here.write()
        await here.agent.reload()
        async with asyncio.timeout(30):
            while not await here.is_up():
                await asyncio.sleep(0.02)

    told = [each.getMessage() for each in caplog.records if "cannot be used" in each.getMessage()]
    assert len(told) == 1
    assert str(certificate) in told[0]
    assert "PEM files that belong together" in told[0]
