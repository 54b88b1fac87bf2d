"""One OPC UA server for all tests of this folder."""

import socket

import pytest
from rigs.opcua_server import OpcUaServer


@pytest.fixture(scope="session")
def plant(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with OpcUaServer(port, tmp_path_factory.mktemp("plant")) as server:
        yield server
