"""The demo as a user starts it: the real agent over real protocols, an outage, and an exact ledger."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

PATIENCE = 100  # seconds


@contextlib.asynccontextmanager
async def demo(*arguments: str):
    """A child in a group of its own, surely gone afterwards with everything that it started."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", "demo", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    family = []
    try:
        async with asyncio.timeout(PATIENCE):
            yield process, family
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        for member in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)


async def lines_until(process, wanted):
    """Read lines up to the one that matches."""
    lines = []
    while line := (await process.stdout.readline()).decode():
        lines.append(line.rstrip())
        if re.search(wanted, line):
            return lines
    raise AssertionError("\n".join([f"the demo ended without {wanted!r}:", *lines]))


async def test_the_demo_played_once_ends_with_an_exact_ledger(tmp_path):
    """Exit 0: an alarm over each protocol soon (ten seconds on an idle machine), a backlog that drains, nothing lost, nothing twice."""
    async with demo("--once", "--outage", "5s", "--directory", str(tmp_path)) as (process, _):
        out = (await process.stdout.read()).decode()
        status = await process.wait()

    assert status == 0, out
    first = dict(re.findall(r"First alarm over (\S+|OPC UA), ([\d.]+) s after the start", out))
    assert set(first) == {"Modbus", "OPC UA", "MQTT"}
    assert all(float(seconds) <= 60 for seconds in first.values()), first
    assert re.search(r"receiver gone for 5 s: [1-9]\d* events wait on disk", out)
    ledger = re.search(r"Ledger: (\d+) produced = (\d+) delivered, 0 lost, 0 duplicates", out)
    assert ledger, out
    assert ledger[1] == ledger[2] != "0"


def children_of(pid):
    """The process ids of its children, as the kernel lists them."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def stopped(process, family, number):
    """Send the signal: the demo and its agent end, without a traceback."""
    family.extend(children_of(process.pid))

    assert len(family) == 1

    process.send_signal(number)
    rest = (await process.stdout.read()).decode()

    assert await process.wait() == 0, rest
    assert "Traceback" not in rest
    with pytest.raises(ProcessLookupError):
        os.kill(family[0], 0)


async def test_ctrl_c_leaves_nothing_behind(tmp_path):
    """It ends the agent too, in the middle of the play, and with the page open: at the address that is printed."""
    async with demo("--directory", str(tmp_path)) as (process, family), aiohttp.ClientSession() as browser:
        said = (await lines_until(process, r"Its page: "))[-1]
        address, token_file = re.search(r"page: (\S+) \(.* what is in (.*)\)", said).groups()
        await lines_until(process, "First alarm over")
        token = (await asyncio.to_thread(Path(token_file).read_text)).strip()
        async with (
            browser.get(address) as page,
            browser.get(f"{address}api/whoami", headers={"Authorization": f"Bearer {token}"}) as whoami,
            browser.get(f"{address}api/live") as stream,
        ):
            assert "<title>Edge Relay</title>" in await page.text()
            assert (await whoami.json())["by"] == "visitor"
            assert await stream.content.readline()

            await stopped(process, family, signal.SIGINT)


async def test_an_agent_that_dies_ends_the_demo_with_its_last_words(tmp_path):
    """Exit 1, and the end of the agent's log: what went wrong is not left in a folder that is gone."""
    async with demo("--directory", str(tmp_path)) as (process, family):
        await lines_until(process, "First alarm over")
        family.extend(children_of(process.pid))
        os.kill(family[0], signal.SIGKILL)
        rest = (await process.stdout.read()).decode()

        assert await process.wait() == 1
        assert "the agent ended with status -9; its last words:" in rest
        assert "ready" in rest
        assert "Traceback" not in rest


async def test_a_rule_edited_while_the_demo_plays_takes_effect(tmp_path):
    """The user's first experiment: a new rule, `edge-relay reload`, and its alarm arrives; SIGTERM ends it all."""
    async with demo("--directory", str(tmp_path)) as (process, family):
        await lines_until(process, "First alarm over")
        with (tmp_path / "rules.yaml").open("a") as rules:
            rules.write("  R1-warm: {tag: R1.TT101, high: 100}\n")
        reload = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent", "reload", "-c", str(tmp_path)
        )

        assert await reload.wait() == 0

        await lines_until(process, "high 100 ")
        await stopped(process, family, signal.SIGTERM)


async def test_a_configuration_that_cannot_be_used_is_shown(tmp_path):
    """A mistake in the user's rules.yaml is on the screen with file, line and column."""
    (tmp_path / "rules.yaml").write_text("rules:\n  R1: {tag: R1.TT102, high: 170}\n")
    async with demo("--directory", str(tmp_path)) as (process, _):
        out = (await process.stdout.read()).decode()

        assert await process.wait() == 1
        assert f"{tmp_path}/rules.yaml:2:" in out
