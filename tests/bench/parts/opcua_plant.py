"""An OPC UA server with changing items, as a process: `python opcua_plant.py PORT ITEMS FLIPPING`.

Each item changes once a second, spread evenly over it; the first FLIPPING cross the limit each time.
It prints `ready`, begins to change with the first line of its input, and when the input ends it holds
its values and prints how many crossings and how many changes it made; SIGTERM ends it.
"""

import asyncio
import contextlib
import logging
import sys

from asyncua import Server, ua
from parts.field import LIMIT

NAMESPACE = "urn:bench:plant"
_GROUPS = 25  # writes are spread over as many moments of each second


async def main(port, items, flipping):
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(NAMESPACE)
    nodes = [ua.NodeId(f"T{n}", index) for n in range(items)]
    for node in nodes:
        await server.nodes.objects.add_variable(node, f"{index}:{node.Identifier}", 0.0)
    async with server:
        print("ready", flush=True)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, sys.stdin.readline)
        held = loop.run_in_executor(None, sys.stdin.read)
        print(*await change(server, nodes, flipping, held), flush=True)
        await asyncio.Event().wait()


async def change(server, nodes, flipping, held):
    loop = asyncio.get_running_loop()
    began, step, crossings, changes = loop.time(), 0, 0, 0
    while not held.done():
        second, group = divmod(step, _GROUPS)
        for n in range(group, len(nodes), _GROUPS):
            crosses = n < flipping and second > 0
            crossings += crosses
            changes += second > 0
            high = n < flipping and second % 2
            value = float(second % 100 + (LIMIT + 1 if high else 0))
            await server.write_attribute_value(nodes[n], ua.DataValue(ua.Variant(value)))
        step += 1
        await asyncio.sleep(max(0.0, began + step / _GROUPS - loop.time()))
    return crossings, changes


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*map(int, sys.argv[1:])))
