"""Commands of the commissioning day, run in this process against servers of this loop."""

import asyncio

from agent.cli import main

HEAD = """\
agent: {site: dresden, name: line-4, data_dir: data}
destinations:
  cloud: {url: "https://cloud.example.com/hooks", signing: {secret: "${env:A_SECRET_NOBODY_HAS}"}}
"""


def write(folder, sources, rules="rules: {}"):
    """Write a configuration whose destination has a secret that is not there; its path."""
    (folder / "agent.yaml").write_text(HEAD)
    (folder / "sources.yaml").write_text(f"sources:\n{sources}")
    (folder / "rules.yaml").write_text(rules)
    return str(folder)


def plc(name, server, tags, more="timeout: 5s, retries: 0"):
    """A Modbus source of a configuration; `tags` in YAML's flow style."""
    return f"  {name}: {{type: modbus, url: {server.url}, {more}, tags: {{{tags}}}}}\n"


async def run(capsys, *words):
    """Run `edge-relay WORDS` in a thread of its own; status, stdout, stderr."""
    capsys.readouterr()
    status = await asyncio.to_thread(main, words)
    output, errors = capsys.readouterr()
    return status, output, errors
