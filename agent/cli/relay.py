"""`edge-relay relay`: the other side, for those who have none: takes webhooks and keeps them for plants."""

import argparse
import asyncio
import json
import logging
import os
import re
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.cli.asking import print_problems
from agent.cli.run import add_log_options, leaves, loop_factory
from agent.errors import ConfigError, EdgeRelayError, StoreDamaged
from agent.logs import Form, logging_to

if TYPE_CHECKING:
    from agent.relay.config import RelayConfiguration
    from agent.relay.first_start import Access

SUMMARY = "take webhooks in the cloud and keep them for the plant"
_UMASK: Final = 0o027
_URL: Final = re.compile(r"https?://[^\s/?#@\"']+(/[^\s?#\"']*)?")
_STARTS: Final = 3  # with a file that is found damaged; a service manager tries again later

_log = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        default=Path("relay.yaml"),
        help="its configuration (default: %(default)s)",
    )
    parser.add_argument(
        "--check", action="store_true", help="report every problem of the file with its line, and end"
    )
    add_log_options(parser)
    _add_first_start_options(parser)
    parser.epilog = """examples:
  edge-relay relay --channel plant-7 --listen 0.0.0.0:8471 --tls cert.pem key.pem
  edge-relay relay --channel plant-7 --behind-proxy --url https://relay.example.com
  edge-relay relay /etc/edge-relay-relay/relay.yaml
  edge-relay relay --check relay.yaml

The first two write relay.yaml and the channel's tokens, print the address for the sender and the `inbound:`
section for the plant, and serve. POST /in/CHANNEL takes, GET /out/CHANNEL hands over. The file is read at
the start; a renewed certificate is taken within a minute by itself.

exit status: 0 good, 1 it cannot serve, 2 usage or a configuration that cannot be used
"""


def _add_first_start_options(parser: argparse.ArgumentParser) -> None:
    first = parser.add_argument_group("first start (where the file is there already, they change nothing)")
    first.add_argument(
        "--channel",
        metavar="NAME",
        help="write the file with this channel, and its tokens beside it, then serve",
    )
    first.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where messages are kept (default: relay-data beside the file)",
    )
    first.add_argument(
        "--listen",
        default="127.0.0.1:8471",
        metavar="ADDRESS",
        help="address and port (default: %(default)s)",
    )
    first.add_argument(
        "--tls", nargs=2, type=Path, metavar=("CERTIFICATE", "KEY"), help="PEM files of its own certificate"
    )
    first.add_argument("--behind-proxy", action="store_true", help="a proxy before it speaks TLS")
    first.add_argument(
        "--url",
        default="",
        help="how senders and plants reach it, for what is printed: https://relay.example.com",
    )
    first.add_argument("--json", action="store_true", help="print what to do next as JSON, for scripts")


def run(arguments: argparse.Namespace) -> int:
    """Write what is missing, check, serve until SIGTERM or SIGINT."""
    from agent.relay.load import load_relay

    os.umask(_UMASK)
    try:
        told = _first_start(arguments) if arguments.channel and not arguments.check else ""
        configuration = load_relay(arguments.file)
    except ConfigError as error:
        print_problems(error)
        return 2
    except (EdgeRelayError, OSError) as error:
        text = (
            f"{error.filename} cannot be written: {error.strerror}" if isinstance(error, OSError) else error
        )
        print(f"edge-relay: {text}", file=sys.stderr)
        return 2
    for problem in configuration.warnings:
        print(problem, file=sys.stderr)
    if arguments.check:
        print(f"good: {configuration.summary()}")
        return 0
    if arguments.channel and arguments.channel not in configuration.channels:
        known = ", ".join(configuration.channels)
        text = (
            f"{arguments.file} has no channel {arguments.channel} (it has {known}): add it under `channels:`"
        )
        print(f"edge-relay: {text}", file=sys.stderr)
        return 2
    print(told, end="", flush=True)
    return _serve(configuration, arguments.log_format, debug=arguments.debug)


def _first_start(arguments: argparse.Namespace) -> str:
    """Write the file if there is none; what to do next, empty if there is one.

    Raises:
        EdgeRelayError: what was asked for cannot be.
        OSError: a file cannot be written.
    """
    from agent.relay.config import CHANNEL
    from agent.relay.first_start import is_reachable, write_first

    if arguments.file.exists():
        return ""
    if not CHANNEL.fullmatch(arguments.channel):
        raise EdgeRelayError(f"--channel {arguments.channel}: expected 1 to 64 letters, digits, `_` and `-`")
    access = _access(arguments)
    welcome = write_first(arguments.file, arguments.channel, arguments.data_dir, access)
    if arguments.json:
        return json.dumps(asdict(welcome), indent=2) + "\n"
    return welcome.text(arguments.file, reachable=is_reachable(access))


def _access(arguments: argparse.Namespace) -> "Access":
    """How it will be reached.

    Raises:
        EdgeRelayError: tokens would travel in clear, or it is no address.
    """
    from agent.config.listening import is_loopback, parse_address
    from agent.relay.first_start import Access

    try:
        listen = parse_address(arguments.listen)
    except ValueError as error:
        raise EdgeRelayError(f"--listen {arguments.listen}: {error}") from None
    certificate, key = (path.absolute() for path in arguments.tls) if arguments.tls else (None, None)
    if certificate is None and not arguments.behind_proxy and not is_loopback(listen):
        raise EdgeRelayError(
            f"--listen {listen}: other machines reach it, and tokens would travel in clear: add --tls CERTIFICATE KEY, "
            "or --behind-proxy if a proxy before it speaks TLS"
        )
    if arguments.url and not _URL.fullmatch(arguments.url):
        raise EdgeRelayError(
            "--url: expected https://HOST, with a path at the most: https://relay.example.com"
        )
    for path in (certificate, key):
        if path is not None and not path.is_file():
            raise EdgeRelayError(f"--tls: there is no file {path}: give the certificate and its key")
    return Access(listen, certificate, key, arguments.behind_proxy, arguments.url)


def _serve(configuration: "RelayConfiguration", form: Form, *, debug: bool) -> int:
    status = 0
    try:
        with (
            logging_to(sys.stderr.fileno(), form=form, debug=debug),
            asyncio.Runner(loop_factory=loop_factory()) as runner,
        ):
            _start(runner, configuration)
    except* EdgeRelayError as errors:
        for each in leaves(errors):
            print(f"edge-relay: {each}", file=sys.stderr)
        status = 1
    return status


def _start(runner: asyncio.Runner, configuration: "RelayConfiguration") -> None:
    """Serve, and start anew when the messages' file was found damaged, which opening it mends."""
    for _ in range(_STARTS):
        if not runner.run(_damaged(configuration)):
            return
        _log.warning("starting anew, with what can be read of the messages")
    raise EdgeRelayError("the messages' file is damaged again and again: see to the disk (dmesg)")


async def _damaged(configuration: "RelayConfiguration") -> bool:
    damaged = False
    try:
        await _run(configuration)
    except* StoreDamaged:
        damaged = True
    return damaged


def _say_what_is_read_again() -> None:
    """SIGHUP, which would end it: who sends it expects that something is loaded."""
    _log.warning(
        "SIGHUP: a renewed certificate is taken within a minute by itself; for all else of the file, restart"
    )


async def _run(configuration: "RelayConfiguration") -> None:
    from agent.clock import SystemClock
    from agent.notify import Systemd
    from agent.relay.service import run as serve

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _say_what_is_read_again)
    await serve(configuration, SystemClock(), Systemd.from_environment(os.environ, os.getpid()), stop)
