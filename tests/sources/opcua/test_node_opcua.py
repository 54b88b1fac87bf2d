"""Our OPC UA source against a server that shares no code with it: node-opcua.

Whoever writes a client and a server reads the specification alike in both; only a stranger finds out.
"""

import asyncio
import datetime as dt
import logging

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from rigs.node_opcua import BOILER, PASSWORD, PRESS, USER, NodeOpcua
from rigs.opcua_server import make_certificate
from rigs.opcua_session import configure, until, watching

from agent.metrics import ITEMS_ALIVE
from agent.model import SECOND, Quality
from agent.sources.opcua.source import Timing


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with NodeOpcua(tmp_path_factory.mktemp("node-opcua")) as server:
        yield server


@pytest.fixture(scope="module")
def secured(server, tmp_path_factory):
    """The security that fits the server; it trusts the certificate that the first attempt has made."""
    pki = tmp_path_factory.mktemp("pki")
    security = {"server_certificate": str(server.certificate), "pki": str(pki)}
    asyncio.run(refused(configure(server.url, "Double", security=security)))
    server.do("trust", who="client", certificate=str(pki / "own/certificate.der"))
    return security


async def refused(config) -> str:
    async with watching(config) as watch:
        message = await watch.error()
    assert not watch.seen
    return message


# What is read


async def test_every_type_is_read_or_refused_in_words(server):
    """Numbers of all widths to their last digit; what is no single value is bad alone."""
    good = {
        "Double": 1.5,
        "Float": 2.5,
        "SByte": -8,
        "Byte": 8,
        "Int16": -16,
        "UInt16": 16,
        "Int32": -32,
        "UInt32": 2**32 - 1,
        "Int64": -(2**53) - 1,
        "UInt64": 2**64 - 1,
        "Boolean": True,
        "String": "grün",
        "LocalizedText": "Störung",
        "DateTime": "2026-11-21T07:30:00Z",
        "Enumeration": 2,
        "Pressure": 7.25,
    }
    bad = {
        "Array": "an array",
        "Matrix": "an array",
        "Structure": "a structure (Range)",
        "UnknownStructure": "a structure (ExtensionObject)",
    }
    async with watching(configure(server.url, *good, *bad)) as watch:
        await watch.until(lambda: all(watch.readings(name) for name in (*good, *bad)))

    assert {name: watch.values(name) for name in good} == {name: [value] for name, value in good.items()}
    assert {type(watch.values(name)[0]) for name in ("Double", "Float")} == {float}
    for name, kind in bad.items():
        reading = watch.readings(name)[0]
        assert (reading.value, reading.quality) == (None, Quality.BAD)
        assert reading.reason.startswith(f"the server sent {kind}, which is not supported")


async def test_browse_paths_and_elements_of_arrays(server):
    """A path without namespaces finds the node of ours; of an array one element is a value."""
    tags = {
        "path": {"browse_path": "Objects/Boiler/Drum/Pressure"},
        "element": {"node": f"nsu={BOILER};s=Array", "index": 1},
        "beyond": {"node": f"nsu={BOILER};s=Array", "index": 3},
        "nowhere": {"browse_path": "Objects/Boiler/Drum/Level"},
    }
    async with watching(configure(server.url, tags=tags)) as watch:
        await watch.until(lambda: all(watch.readings(name) for name in tags))

    assert (watch.values("path"), watch.values("element")) == ([7.25], [2.5])
    assert (watch.values("beyond")[0], watch.values("nowhere")[0]) == (None, None)
    assert "below Objects/Boiler/Drum there is no Level" in watch.readings("nowhere")[0].reason


async def test_quality_and_source_time(server):
    """Uncertain keeps its value, bad has none; the stamp is the device's, to the millisecond."""
    server.set("Float", 2.5, "Float")
    async with watching(configure(server.url, "Float")) as watch:
        await watch.until(lambda: watch.values("Float") == [2.5])
        for value, status in ((3.5, "UncertainLastUsableValue"), (4.5, "BadNoCommunication"), (5.5, "Good")):
            seen = len(watch.readings("Float"))
            server.set("Float", value, "Float", status=status, time="2026-11-21T07:30:00.125Z")
            await watch.until(lambda seen=seen: len(watch.readings("Float")) > seen)
        changes = watch.readings("Float")[1:]

    assert [(one.value, one.quality, one.reason.partition(":")[0]) for one in changes] == [
        (3.5, Quality.UNCERTAIN, "UncertainLastUsableValue"),
        (None, Quality.BAD, "BadNoCommunication"),
        (5.5, Quality.GOOD, ""),
    ]
    stamp = dt.datetime(2026, 11, 21, 7, 30, tzinfo=dt.UTC).timestamp()
    assert {one.source_time for one in changes} == {round(stamp) * SECOND + 125_000_000}


async def test_values_between_two_publishes_come_in_order_and_lost_ones_are_told(server, caplog):
    """The queue keeps what fits; the overflow bit tells of the rest (opcua-asyncio#1184)."""
    server.set("Int32", 0, "Int32")
    usual = configure(server.url, "Int32", publish_every="500ms")
    short = configure(server.url, "Int32", publish_every="500ms", queue_size=2)
    with caplog.at_level(logging.WARNING, "agent"):
        async with watching(usual, Timing()) as all_of, watching(short, Timing()) as few:
            await all_of.until(lambda: all_of.values("Int32") == [0] == few.values("Int32"))
            for value in range(1, 6):
                server.set("Int32", value, "Int32")
                await asyncio.sleep(0.06)  # above the server's own sampling of 50 ms
            await all_of.until(lambda: all_of.values("Int32")[-1] == 5 == few.values("Int32")[-1])

    assert all_of.values("Int32") == [0, 1, 2, 3, 4, 5]
    assert few.values("Int32") == [0, 4, 5]
    [told] = [record.getMessage() for record in caplog.records]
    assert "values of tag Int32" in told
    assert told.endswith("were lost between two publishes: raise queue_size, or lower publish_every")


async def test_the_server_is_asked_for_nothing_but_reading(server):
    """A source that may not write has no service that could (design: sources)."""
    async with watching(configure(server.url, "Double")) as watch:
        await watch.until(lambda: watch.values("Double"))

    assert set(server.requests) <= {
        "GetEndpoints",
        "CreateSession",
        "ActivateSession",
        "Read",
        "TranslateBrowsePathsToNodeIds",
        "CreateSubscription",
        "ModifySubscription",
        "CreateMonitoredItems",
        "DeleteMonitoredItems",
        "Publish",
        "CloseSession",
    }


# Who gets in


@pytest.mark.parametrize("mode", ["sign", "sign_and_encrypt"])
@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"])
async def test_a_server_that_trusts_us_is_read_with_every_security(server, secured, mode, policy):
    """The server is the one that checks our signatures, our certificate and our password."""
    security = secured | {"mode": mode, "policy": policy}
    config = configure(server.url, "Boolean", security=security, user=USER, password=PASSWORD)
    async with watching(config) as watch:
        await watch.until(lambda: watch.values("Boolean") == [True])


async def test_a_server_that_does_not_know_us_is_told_apart_until_it_does(server, tmp_path):
    """The message has the thumbprint and the file to take to the server; trusted there, it works."""
    security = {"server_certificate": str(server.certificate), "pki": str(tmp_path)}
    config = configure(server.url, "Double", security=security)
    own = tmp_path / "own/certificate.der"

    message = await refused(config)

    digest = x509.load_der_x509_certificate(own.read_bytes()).fingerprint(SHA1()).hex(" ", 4)  # noqa: S303
    assert f"it may not trust this agent's certificate yet: {digest.upper()} ({own})" in message
    server.do("trust", who="client", certificate=str(own))
    async with watching(config) as watch:
        await watch.until(lambda: watch.values("Double"))
    server.do("reject", who="client", certificate=str(own))
    assert digest.upper() in await refused(config)


async def test_a_wrong_password(server):
    """The user is named, the password never, and no session stays at the server."""
    security = {"mode": "none", "insecure_password": True}
    config = configure(server.url, "Double", security=security, user=USER, password="wrong-canary")

    message = await refused(config)

    assert f"the server refuses user '{USER}': check user and password" in message
    assert "canary" not in message
    assert server.held == (0, 0, 0)


async def test_a_user_certificate(server, secured, tmp_path):
    """The server holds users' certificates apart from clients', and learns of a new one as of any."""
    certificate, key = tmp_path / "user.der", tmp_path / "user.pem"
    make_certificate(certificate, key, "urn:plant:somebody")
    key.chmod(0o600)
    user = {"user_certificate": str(certificate), "user_key": str(key)}
    config = configure(server.url, "Boolean", security=secured, **user)

    assert "BadIdentityTokenRejected" in await refused(config)
    server.do("trust", who="user", certificate=str(certificate))
    async with watching(config) as watch:
        await watch.until(lambda: watch.values("Boolean") == [True])


# It comes back


async def test_a_namespace_moves_with_a_restart_and_the_name_still_finds_it(server):
    """The server ends while we read; under the old index there is another value now (#478 of Node-RED's)."""
    config = configure(server.url, "Double", f"nsu={PRESS};s=Double")
    async with watching(config) as watch:
        await watch.until(lambda: watch.values("Double"))
        await asyncio.to_thread(server.restart, order=[PRESS, BOILER])
        assert "the server closed the connection, or the network broke" in await watch.error()
    async with watching(config) as watch:
        await watch.until(lambda: watch.values(f"nsu={PRESS};s=Double") == [-1.0])
        await watch.until(lambda: watch.values("Double") == [1.5])
        assert all(one.baseline for one in watch.readings("Double"))


async def test_a_node_that_vanishes_and_returns(server):
    """A program is loaded into the PLC: bad while it is gone, a new baseline when it is back (telegraf#19186)."""
    server.add("Loaded", 1)
    async with watching(configure(server.url, "Loaded", "Double")) as watch:
        await watch.until(lambda: watch.values("Loaded") == [1.0])
        server.do("remove", name="Loaded")
        await watch.until(lambda: watch.values("Loaded") == [1.0, None])
        assert "BadNodeIdInvalid: check the node id" in watch.readings("Loaded")[-1].reason
        server.add("Loaded", 2)
        await watch.until(lambda: watch.values("Loaded")[-1] == 2.0)
        await watch.until(lambda: ITEMS_ALIVE.labels("boiler")._value.get() == 2)
        assert watch.readings("Loaded")[-1].baseline
        server.set("Double", 1.75)
        await watch.until(lambda: watch.values("Double")[-1] == 1.75)
    server.do("remove", name="Loaded")


async def test_a_dropped_subscription_ends_the_session(server):
    """The connection is as good as ever, and nothing comes (Azure/Industrial-IoT#1890)."""
    async with watching(configure(server.url, "Double")) as watch:
        await watch.until(lambda: watch.values("Double"))
        server.do("drop")
        assert "not even a keep-alive" in await watch.error()


async def test_a_session_outlives_the_keys_of_its_channel(server, secured):
    """The server gives them two seconds and half a second's grace: what comes later came with new ones."""
    config = configure(server.url, "Double", security=secured)
    async with watching(config, Timing()) as watch:
        await watch.until(lambda: watch.values("Double"))
        expired = asyncio.get_running_loop().time() + 2.8
        while asyncio.get_running_loop().time() < expired:
            seen = len(watch.readings("Double"))
            server.set("Double", 100 + seen)
            await watch.until(lambda seen=seen: len(watch.readings("Double")) > seen)


# Gentle, and leaving nothing behind


async def test_no_request_exceeds_what_the_server_allows(server):
    """It says so, and refuses what is more (telegraf#11455: BadTooManyOperations)."""
    names = [f"Many{number}" for number in range(25)]
    for name in names:
        server.add(name, 1)
    before = server.requests.get("CreateMonitoredItems", 0)
    server.do("limit", maxMonitoredItemsPerCall=10, maxNodesPerRead=5)
    try:
        async with watching(configure(server.url, *names)) as watch:
            await watch.until(lambda: all(watch.values(name) == [1.0] for name in names))
            assert server.held == (1, 1, 25)
    finally:
        server.do("limit", maxMonitoredItemsPerCall=0, maxNodesPerRead=0)

    assert server.requests["CreateMonitoredItems"] - before == 3


async def test_cyclic_reads_keep_the_limit_too(server):
    """Where subscriptions do not work: each request reads no more nodes than the server takes (telegraf#19609)."""
    names = ["Double", "Float", "Int16", "Int32", "UInt16", "UInt32", "Boolean"]
    server.do("limit", maxNodesPerRead=3)
    try:
        async with watching(configure(server.url, *names, read="cyclic")) as watch:
            await watch.until(lambda: all(watch.values(name) for name in names))
            server.set("Int16", 17, "Int16")
            await watch.until(lambda: watch.values("Int16")[-1] == 17)
            assert all(one.quality is Quality.GOOD for name in names for one in watch.readings(name))
            assert server.held == (1, 0, 0)
    finally:
        server.do("limit", maxNodesPerRead=0)
        server.set("Int16", -16, "Int16")


async def test_a_server_without_room_says_so(server):
    """A session left behind somewhere is the usual cause (node-red-contrib-opcua#317)."""
    server.do("limit", maxSessions=1)
    try:
        async with watching(configure(server.url, "Double")) as watch:
            await watch.until(lambda: watch.values("Double"))
            assert "the server takes no more clients" in await refused(configure(server.url, "Double"))
    finally:
        server.do("limit")


async def test_thirty_ends_at_any_moment_leave_nothing_at_the_server(server):
    """Stopped while connecting, subscribing or reading: each time the server is told (node-red-contrib-opcua#317)."""
    config = configure(server.url, "Double", "Float")
    for number in range(30):
        async with watching(config) as watch:
            if number % 3:
                await asyncio.sleep(number / 500)  # 2 to 58 ms; a session is complete after about 40
            else:
                await watch.until(lambda: watch.values("Double"))
    await until(lambda: server.held == (0, 0, 0) and not server.do("report")["channels"])
