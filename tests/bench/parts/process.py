"""The agent of a measurement: a real process on one core, watched from outside."""

import asyncio
import contextlib
import json
import os
import sys
import time
from pathlib import Path

import aiohttp
import uvloop
from prometheus_client.parser import text_string_to_metric_families

_START_WITHIN = 60.0
_STOP_WITHIN = 8.0
SECRET = "whsec_c2VjcmV0IG9mIHRoZSBtZWFzdXJlbWVudA=="

# The agent's core, and the one for everything else (the same where there is only one).
OTHER_CORE, *_, AGENT_CORE = sorted(os.sched_getaffinity(0)) * 2


def configuration(folder, *, page, receiver, sources, rules, **destination):
    """Write a configuration; JSON is YAML."""
    target = {"url": f"http://127.0.0.1:{receiver}/", "signing": {"secret": SECRET}, **destination}
    agent = {
        "agent": {"site": "bench", "name": "bench", "data_dir": "data"},
        "http": {"listen": f"127.0.0.1:{page}"},
        "destinations": {"receiver": target},
    }
    for name, content in (("agent", agent), ("sources", {"sources": sources}), ("rules", {"rules": rules})):
        (folder / f"{name}.yaml").write_text(json.dumps(content, indent=1))


class AgentProcess:
    """A running agent; made by `running`.

    Attributes:
        began: when it was started, monotonic nanoseconds.
    """

    def __init__(self, process, page):
        self.began = time.monotonic_ns()
        self._process = process
        self._page = page

    def cpu(self):
        """CPU seconds that its threads have used so far."""
        tasks = Path(f"/proc/{self._process.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9

    def waited(self):
        """Seconds for which its main thread could have run, had nobody else been on the core."""
        return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[1]) / 1e9

    def memory(self):
        """Resident memory, MB."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6

    async def metrics(self):
        """All samples now: (name, labels' values joined) -> value."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self._page}/metrics") as response,
        ):
            text = await response.text()
        return {
            (sample.name, ",".join(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def ready(self):
        """Wait until it says so; raises if it ended."""
        deadline = time.monotonic() + _START_WITHIN
        while time.monotonic() < deadline and self._process.returncode is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with aiohttp.ClientSession() as session:
                    await session.get(f"http://127.0.0.1:{self._page}/ready")
                    return
            await asyncio.sleep(0.05)
        raise RuntimeError("the agent did not start; its last words are above")


@contextlib.asynccontextmanager
async def running(folder, page):
    """Run the agent of a folder on its core; whatever ends the measurement ends the process."""
    with (folder / "agent.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent", "run", "-c", str(folder)),
            stdout=log,
            stderr=log,
            preexec_fn=lambda: os.sched_setaffinity(0, {AGENT_CORE}),
        )
    try:
        yield AgentProcess(process, page)
    finally:
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _STOP_WITHIN)
        if process.returncode is None:
            process.kill()
            await process.wait()
        if process.returncode:
            sys.stderr.write((folder / "agent.log").read_text()[-2000:])


def sync_times(folder, times=300):
    """Seconds of bare fdatasyncs after the write of a page: what no durable commit can beat."""
    spent = []
    with (folder / "probe").open("wb", buffering=0) as probe:
        for _ in range(times):
            began = time.perf_counter()
            probe.write(bytes(4096))
            os.fdatasync(probe.fileno())
            spent.append(time.perf_counter() - began)
    return spent


async def bare_posts(port, seconds, concurrency=8):
    """POSTs a second of aiohttp alone, on the agent's core and loop, with a body of an event's size."""
    code = f"from parts import process; process.post_alone({port}, {seconds}, {concurrency})"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        preexec_fn=lambda: os.sched_setaffinity(0, {AGENT_CORE}),
    )
    out, _ = await child.communicate()
    return float(out)


def post_alone(port, seconds, concurrency):
    """The probe's own process: post as fast as it goes and print how many a second."""
    body = json.dumps({"data": {"id": "evt_probe", "filling": "x" * 500}})

    async def post(session, until):
        done = 0
        while time.monotonic() < until:
            async with session.post(f"http://127.0.0.1:{port}/", data=body) as response:
                await response.read()
            done += 1
        return done

    async def all_of_them():
        async with aiohttp.ClientSession() as session:
            until = time.monotonic() + seconds
            return sum(await asyncio.gather(*(post(session, until) for _ in range(concurrency))))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(all_of_them()) / seconds)
