"""`edge-relay simulate`: a plant to try things on."""

import argparse
import sys

from agent.clock import SystemClock
from agent.errors import EdgeRelayError

SUMMARY = "run a simulated plant: Modbus, OPC UA and MQTT"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    for protocol in ("modbus", "opcua", "mqtt"):
        parser.add_argument(
            f"--{protocol}-port", type=int, default=0, metavar="PORT", help="default: a free one"
        )
    parser.epilog = """examples:
  edge-relay simulate                                      prints the sources.yaml that reads it; Ctrl-C ends it
  edge-relay simulate --modbus-port 5020 > sources.yaml    the addresses go to stderr
"""


def run(arguments: argparse.Namespace) -> int:
    """Run until Ctrl-C."""
    from agent.cli.foreground import run_until_stopped

    try:
        run_until_stopped(_simulate(arguments))
    except EdgeRelayError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _simulate(arguments: argparse.Namespace) -> None:
    from agent.demo.plant import Ports, free_port, open_plant

    ports = Ports(
        arguments.modbus_port or free_port(),
        arguments.opcua_port or free_port(),
        arguments.mqtt_port or free_port(),
    )
    async with open_plant(SystemClock(), ports) as plant:
        print(f"Modbus TCP 127.0.0.1:{ports.modbus} (unit 1)", file=sys.stderr)
        print(f"OPC UA     opc.tcp://127.0.0.1:{ports.opcua}", file=sys.stderr)
        print(f"MQTT       mqtt://127.0.0.1:{ports.mqtt}", file=sys.stderr)
        print("Read it with this sources.yaml; Ctrl-C ends it.", file=sys.stderr, flush=True)
        print(plant.sources_yaml(), flush=True)
        await plant.live()
