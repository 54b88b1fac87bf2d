"""Serial ports: real RTU frames over pty pairs, adapters that are pulled out, ports that cannot be had."""

import asyncio
import contextlib
import errno
import itertools
import os
import termios
import time
import tty

import pytest
import uvloop
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice
from rigs.census import census, settled
from rigs.modbus_serial import SerialModbusServer
from rigs.modbus_session import Sink, holding, one_session, sessions, source

from agent.model import MILLISECOND, SECOND
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.endpoint import SerialPort, parse_url
from agent.sources.modbus.serial_port import open_port, why_not_open

TAGS = holding(0, 100)


@pytest.fixture
def port(tmp_path):
    """The name of a port."""
    return tmp_path / "ttyUSB0"


@pytest.fixture
def pair():
    """Two connected ends: a descriptor and the name of the other."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


@contextlib.contextmanager
def cable():
    """Two ports that are connected with each other; their names."""
    ends = [os.openpty() for _ in range(2)]
    loop = asyncio.get_running_loop()
    for (master, slave), (other, _) in zip(ends, reversed(ends), strict=True):
        tty.setraw(slave)
        loop.add_reader(master, lambda here=master, there=other: os.write(there, os.read(here, 4096)))
    try:
        yield [os.ttyname(slave) for _, slave in ends]
    finally:
        for master, slave in ends:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)


async def test_a_real_rtu_server_on_a_serial_line():
    """Pymodbus's own server at the other end of a pair of ports means the same by a frame."""
    words = SimData(0, values=[0xFF85, 7, 42], datatype=DataType.REGISTERS)
    nothing = SimData(0, values=[False] * 16, datatype=DataType.BITS)
    device = SimDevice(1, simdata=([nothing], [nothing], [words], [words]))
    tags = {"T": {"address": "40001", "type": "int16", "scale": 0.1}, "U": {"address": "40003.1"}}
    timing = {"poll_every": "50ms", "timeout": "500ms"}
    sink = Sink()
    with cable() as (ours, theirs):
        url = f"rtu://{ours}?baudrate=115200&parity=N"
        config = ModbusSource.model_validate({"type": "modbus", "url": url, "tags": tags, **timing})
        server = ModbusSerialServer(device, framer=FramerType.RTU, port=theirs, baudrate=115200)
        await server.serve_forever(background=True)
        async with sessions(config, sink):
            await sink.polls(3)
        await server.shutdown()

    assert (set(sink.good("T")), set(sink.good("U")), sink.ends) == ({-12.3}, {True}, [])


def test_the_same_on_uvloop(port):
    """The loop that the agent runs on watches a port as well."""

    async def main():
        sink = Sink()
        async with SerialModbusServer(name=port) as server, sessions(source(server, TAGS), sink):
            await sink.polls(2)
            server.drop_connections()
            await sink.until(lambda: sink.ends)
            await sink.polls(2)
        return set(sink.good("H100"))

    assert uvloop.run(main()) == {100}


async def test_an_adapter_that_is_pulled_out_and_put_back(port):
    """The loss is noticed at once, the missing port is named, and reading goes on when it is there again."""
    sink = Sink()
    server = SerialModbusServer(name=port)
    async with server, sessions(source(server, TAGS, poll_every="1h", timeout="50ms"), sink):
        await sink.until(lambda: sink.batches)
        began = time.monotonic()
        await server.stop()
        await sink.until(lambda: len(sink.ends) > 1)
        took = time.monotonic() - began
        await server.start()
        await sink.until(lambda: len(sink.batches) > 1)

    assert took < 1
    assert sink.ends[0] == f"{port} is gone (Input/output error): was the adapter pulled out?"
    assert sink.ends[1] == (
        f"{port}: cannot open the serial port (No such file or directory): there is no such port: is the "
        "adapter plugged in? `ls -l /dev/serial/by-id` lists those that are; under systemd ports are hidden "
        "without the drop-in systemd/serial-ports.conf"
    )


async def test_a_port_is_ours_alone(port):
    """A second program would take every other byte: it is told who is in the way, and we keep reading."""
    sink = Sink()
    async with SerialModbusServer(name=port) as server, sessions(source(server, TAGS), sink):
        await sink.polls(1)
        other = server.name.parent / "by-another-name"
        other.symlink_to(port.readlink())
        text = await one_session(source(server, TAGS, url=f"rtu://{other}?parity=N"), Sink(), name="second")
        await sink.polls(2)

    assert text.startswith(f"{other}: cannot open the serial port (")
    assert text.endswith(f"another program uses it: `fuser -v {other}` names it")
    assert not sink.ends


async def test_a_file_is_no_port(tmp_path):
    """What is named in the url is no serial port."""
    file = tmp_path / "notes.txt"
    file.touch()
    config = ModbusSource.model_validate({"type": "modbus", "url": f"rtu://{file}", "tags": TAGS})

    assert (await one_session(config, Sink())).endswith("this is no serial port: look at url")


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (
            errno.EACCES,
            "DeviceAllow=/dev/ttyS7 rw (the drop-in systemd/serial-ports.conf)",
        ),
        (errno.EBUSY, "another program uses it: `fuser -v /dev/ttyS7` names it"),
        (errno.ENXIO, "nothing is connected to this port: is the adapter plugged in?"),
        (errno.EINVAL, "the port cannot be set so: look at baudrate, parity and stopbits in url"),
        (errno.ENOMEM, "look at the adapter and its driver"),
    ],
)
def test_why_a_port_cannot_be_had(number, remedy):
    """The cause in the system's words, then what to do about it."""
    text = why_not_open(SerialPort("/dev/ttyS7"), OSError(number, os.strerror(number)))

    assert text.startswith(f"/dev/ttyS7: cannot open the serial port ({os.strerror(number)}): ")
    assert text.endswith(remedy)


def test_a_port_is_set_as_the_url_says(pair):
    """Raw bytes, at the line's speed, with two stop bits; nothing of what a terminal does."""
    _, name = pair
    descriptor = open_port(parse_url(f"rtu://{name}?baudrate=9600&parity=N&stopbits=2"))
    try:
        input_modes, output_modes, control, local, speed, _, characters = termios.tcgetattr(descriptor)
    finally:
        os.close(descriptor)

    assert (input_modes, output_modes, local, speed) == (0, 0, 0, termios.B9600)
    assert control & termios.CSIZE == termios.CS8
    assert control & termios.CSTOPB
    assert characters[termios.VMIN] == 1


def test_an_even_parity_is_taken_by_every_port(pair):
    """The standard's own default; a pty has no parity, and must not refuse it either."""
    _, name = pair

    os.close(open_port(parse_url(f"rtu://{name}")))


async def test_frames_are_kept_apart(port):
    """3.5 characters of silence before each request, by which devices tell frames apart: 20 ms at 1200 baud."""
    moments = []

    async def noted(exchange):
        moments.append(time.monotonic())
        await exchange.send(exchange.frame(exchange.pdu()))

    sink = Sink()
    server = SerialModbusServer(name=port, behave=noted, settings="?baudrate=1200&parity=N")
    async with server, sessions(source(server, holding(0, 100, 200, 300)), sink):
        await sink.polls(2)

    expected = 3.5 * 10 / 1200
    assert min(later - earlier for earlier, later in itertools.pairwise(moments)) > expected


def test_times_of_a_serial_line():
    """3.5 characters up to 19200 baud, 1.75 ms above; and what the bytes themselves take (Serial Line 1.02)."""
    slow = SerialPort("/dev/ttyS0", 9600, "E", 1)

    assert slow.silence == round(3.5 * 11 * SECOND / 9600)
    assert SerialPort("/dev/ttyS0", 115200).silence == 1.75 * MILLISECOND
    assert slow.on_air(96) == round(96 * 11 * SECOND / 9600)


async def test_fifty_losses_of_a_port_leave_nothing_behind(port):
    """Pulled out fifty times: the same descriptors and tasks as before."""
    sink = Sink()
    async with SerialModbusServer(name=port) as server:
        config = source(server, holding(0), poll_every="10ms", timeout="10ms")
        before = census()
        async with sessions(config, sink):
            for _ in range(50):
                batches = len(sink.batches)
                await sink.until(lambda batches=batches: len(sink.batches) > batches)
                ends = len(sink.ends)
                server.drop_connections()
                await sink.until(lambda ends=ends: len(sink.ends) > ends)
        await settled(before)
