"""`edge-relay doctor` over a small configuration of its own, and its findings."""

import json

from rigs.agent_process import quiet_port
from rigs.commissioning import run

AGENT = "agent: {site: dresden, name: line-4, data_dir: data}\n"
TRIAL = "sources:\n  trial: {type: simulated, tags: {T: {signal: sine}}}\n"
CANARY = "canary-4711"


def write(folder, text=TRIAL, agent=AGENT):
    """Write a configuration whose data directory is there; its path."""
    (folder / "data").mkdir(exist_ok=True)
    (folder / "agent.yaml").write_text(f"{agent}http: {{listen: '127.0.0.1:{quiet_port()}'}}\n{text}")
    return str(folder / "agent.yaml")


async def doctor(capsys, *words):
    status, output, errors = await run(capsys, "doctor", "--json", *words)
    assert errors == ""
    return status, json.loads(output)


def verdicts(document):
    return {(each["subject"], each["thing"]): each["verdict"] for each in document["findings"]}
