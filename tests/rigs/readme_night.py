"""The README's night: a press that is hot, a drive and a receiver that are away, and a page that anna may operate.

Its addresses are those of the README for whoever reads, and ports of this machine for whoever connects.
"""

import contextlib

from rigs.agent_process import AgentProcess, quiet_port, until
from rigs.modbus_server import ModbusServer
from rigs.readme_day import SECRET, Plant

_PRESS = {(1, 3, 10): 1734}  # 173.4 °C
_PLANT = """\
agent: {site: dresden, name: line-4, data_dir: data}
sources:
  press: {type: modbus, url: tcp://192.168.10.20:502, tags: {R1.TT101: {address: "40011", type: int16, scale: 0.1}}}
  drive-1: {type: modbus, url: tcp://192.168.10.40:502, tags: {VFD1.FAULTED: {address: "40612", type: bit, bit: 3}}}
rules: {R1-temperature: {tag: R1.TT101, high: 170, deadband: 2}}
destinations: {cmms: {url: "http://10.0.8.4:8080/hooks/plant", signing: {secret: "${file:cmms.key}"}}}
http: {listen: "127.0.0.1:8470", tokens: {anna: "${file:anna.token}"}}
"""


@contextlib.asynccontextmanager
async def night(folder):
    """Give it once the alarm is raised, and the drive known to be away; the configuration is in `folder/plant`."""
    async with ModbusServer(written=dict(_PRESS)) as press, AgentProcess(folder / "plant") as agent:
        ports = {"192.168.10.20:502": press.port}
        for away in ("192.168.10.40:502", "10.0.8.4:8080", "127.0.0.1:8470"):
            ports[away] = next(port for port in iter(quiet_port, None) if port not in ports.values())
        known = Plant({shown: f"127.0.0.1:{port}" for shown, port in ports.items()})
        for name, text in {"cmms.key": SECRET, "anna.token": "what-anna-types-4711\n"}.items():
            (agent.folder / name).write_text(text)
            (agent.folder / name).chmod(0o600)
        agent.write(line4=known.real(_PLANT))
        await agent.start()
        await until(lambda: _knows(agent), agent.log)
        yield known


async def _knows(agent):
    """A source that is away is a problem after 15 s."""
    status = await agent.status()
    return status and status["problems"] and status["alarms"]
