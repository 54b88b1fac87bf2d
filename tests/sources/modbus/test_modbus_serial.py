"""Serial ports: real RTU frames over pty pairs."""

import asyncio
import os

import pytest
from rigs.modbus_serial import SerialModbusServer
from rigs.modbus_session import Sink, holding, one_session, sessions, source


@pytest.fixture
def port(tmp_path):
    return tmp_path / "ttyUSB0"


async def test_x(port):
    sink = Sink()
    async with SerialModbusServer(name=port) as server, sessions(source(server, holding(0, 100)), sink):
        await sink.polls(3)
    assert set(sink.good("H100")) == {100}, sink.ends
