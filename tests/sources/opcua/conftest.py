"""A server that shares no code with our client, for all tests of a worker."""

import asyncio

import pytest
from rigs.node_opcua import NodeOpcua
from rigs.opcua_session import configure, refused


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    with NodeOpcua(tmp_path_factory.mktemp("node-opcua")) as server:
        yield server


@pytest.fixture(scope="session")
def trusted(stranger, tmp_path_factory):
    """The security that fits the server; it trusts the certificate that the first attempt has made."""
    pki = tmp_path_factory.mktemp("pki")
    security = {"server_certificate": str(stranger.certificate), "pki": str(pki)}
    asyncio.run(refused(configure(stranger.url, "Double", security=security)))
    stranger.do("trust", who="client", certificate=str(pki / "own/certificate.der"))
    return security
