"""A changed configuration is loaded in full or not at all; the agent itself, with a source and a receiver."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from rigs.stores import eventually, refusing_disk

from agent.app import Agent, Signals
from agent.clock import SystemClock
from agent.config.load import load
from agent.errors import ConfigError, StoreUnavailable
from agent.model import SECOND, EventType
from agent.paths import STORE
from agent.store.records import EventFilter
from agent.store.store import Store

CLOCK = SystemClock()
BASE = {
    "site": "plant",
    "source": "{type: simulated, every: 20ms, tags: {T: {signal: constant, values: [171]}}}",
    "more_sources": "",
    "defaults": "{}",
    "rules": "R: {tag: T, high: 170}",
    "destinations": "a: {url: URL, signing: none}",
    "more": "",
}
FILE = """
agent: {{site: {site}, name: test, data_dir: data}}
http: {{listen: "127.0.0.1:{port}"}}
sources:
  plc: {source}
{more_sources}
defaults: {defaults}
rules:
  {rules}
destinations:
  {destinations}
{more}
"""


class Plant:
    """An agent in this process, its file, and what a receiver got of it."""

    def __init__(self, folder, port, url):
        self.file = folder / "agent.yaml"
        self.port = port
        self.url = url
        self.got = []
        self.receives = True
        self.signals = Signals(asyncio.Event(), asyncio.Event())

    def write(self, **changes):
        text = FILE.format(port=self.port, **{**BASE, **changes})
        self.file.write_text(text.replace("URL", self.url))

    async def post(self, request):
        body = await request.json()
        if not self.receives:
            return web.Response(status=503)
        self.got.append(
            (request.path.strip("/"), body["type"], body["data"].get("rule", ""), body["data"].get("seq"))
        )
        return web.Response()

    def types(self, rule):
        return [kind.partition(".")[2] for _, kind, of, _ in self.got if of == rule]

    async def stored(self, kind):
        events = await self.agent.store.events(EventFilter(type=kind), 100)
        return [each.stored.event for each in events]


@asynccontextmanager
async def plant(tmp_path, free_port, **changes):
    receiver = web.AppRunner(web.Application())
    plant = Plant(tmp_path, free_port(), "")
    receiver.app.router.add_post("/{name}", plant.post)
    await receiver.setup()
    site = web.TCPSite(receiver, "127.0.0.1", 0)
    await site.start()
    plant.url = f"http://127.0.0.1:{receiver.addresses[0][1]}/a"
    plant.write(**changes)
    configuration = load(plant.file)
    configuration.agent.data_dir.mkdir()
    try:
        async with await Store.open(tmp_path / "data" / STORE, clock=CLOCK, boot="boot") as store:
            plant.agent = Agent(plant.file, configuration, store, CLOCK)
            running = asyncio.create_task(plant.agent.run(plant.signals, None, "boot"))
            try:
                await eventually(lambda: plant.types("R") or running.done(), 20)
                yield plant
            finally:
                plant.signals.stop.set()
                async with asyncio.timeout(20):
                    await running
    finally:
        await receiver.cleanup()
    assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}


async def test_changed_added_and_removed_rules(tmp_path, free_port):
    """What is gone returns as removed, what is new is raised, what stayed says nothing, all changes are listed."""
    rules = "R: {tag: T, high: 170}\n  gone: {tag: T, high: 160}\n  moved: {tag: T, high: 150}"
    async with plant(tmp_path, free_port, rules=rules) as it:
        await eventually(lambda: it.types("gone") and it.types("moved"))
        it.write(rules="R: {tag: T, high: 170}\n  new: {tag: T, high: 160}\n  moved: {tag: T, high: 180}")
        changed = await it.agent.reload()
        await eventually(lambda: it.types("new") and len(it.types("moved")) == 2)

        assert [(each["rule"], each["key"]) for each in changed] == [
            ("gone", "high"),
            ("gone", "tag"),
            ("moved", "high"),
            ("new", "high"),
            ("new", "tag"),
        ]
        assert {rule: it.types(rule) for rule in ("R", "gone", "moved", "new")} == {
            "R": ["raised"],
            "gone": ["raised", "returned"],
            "moved": ["raised", "returned"],
            "new": ["raised"],
        }


async def test_changed_defaults_are_a_change(tmp_path, free_port):
    """No rule was touched, but each means something else now."""
    async with plant(tmp_path, free_port) as it:
        it.write(defaults="{on_delay: 10s}")
        assert {"rule": "R"} in await it.agent.reload()
        assert it.agent.pipeline.engine.runs["R"].spec.conditions[0].say.on_delay == 10 * SECOND
        assert await it.agent.reload() == []


async def test_an_invalid_file_changes_nothing(tmp_path, free_port):
    """The old rules go on, and it is told."""
    async with plant(tmp_path, free_port) as it:
        before = it.agent.configuration
        it.write(rules="R: {tag: T, hihg: 170}")
        with pytest.raises(ConfigError, match="hihg"):
            await it.agent.reload()
        await eventually(lambda: any(kind == "agent.config_rejected" for _, kind, _, _ in it.got))

        assert it.agent.configuration is before


async def test_what_takes_a_restart_is_refused_in_words(tmp_path, free_port):
    """A change that would not be in force must not be listed as one; nothing of the file is taken."""
    async with plant(tmp_path, free_port) as it:
        it.write(site="elsewhere", rules="R: {tag: T, high: 180}")
        with pytest.raises(ConfigError, match="takes a restart"):
            await it.agent.reload()

        assert it.types("R") == ["raised"]


async def test_a_store_that_fails_leaves_the_old_configuration_in_force(tmp_path, free_port):
    """Nothing is addressed to a destination that is not at work; the same file is taken when there is room."""
    two = "a: {url: URL, signing: none}\n  b: {url: URL/b, signing: none}"
    rules = "R: {tag: T, high: 170}\n  gone: {tag: T, high: 160}"
    async with plant(tmp_path, free_port, rules=rules) as it:
        await eventually(lambda: it.types("gone"))
        it.write(destinations=two)
        replace = it.agent.pipeline.replace_engine

        async def failing(engine):
            with refusing_disk():
                await replace(engine)

        it.agent.pipeline.replace_engine = failing
        with pytest.raises(StoreUnavailable):
            await it.agent.reload()
        assert "gone" in it.agent.pipeline.engine.runs
        assert it.agent.pipeline.engine.runs["gone"].state.core.occurrence
        told = it.agent.pipeline.event
        assert it.agent.outlets.subscribers(told(EventType.AGENT_TEST, {})) == ("a",)

        it.agent.pipeline.replace_engine = replace
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await it.agent.reload()
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.1)
        await eventually(lambda: it.types("gone") == ["raised", "returned"])
        assert it.agent.outlets.subscribers(told(EventType.AGENT_TEST, {})) == ("a", "b")


async def test_a_destination_that_is_replaced_loses_and_doubles_nothing(tmp_path, free_port):
    """Events wait while it fails; it is changed five times under load; each arrives once, in order."""
    signal = "{type: simulated, every: 20ms, tags: {T: {signal: steps, values: [171, 100], period: 80ms}}}"
    async with plant(tmp_path, free_port, source=signal) as it:
        for number in range(5):
            it.receives = number % 2 == 1
            it.write(source=signal, destinations=f"a: {{url: URL, signing: none, concurrency: {number + 1}}}")
            await it.agent.reload()
            await asyncio.sleep(0.3)
        it.receives = True
        it.write(source=signal.replace("steps", "constant").replace("171, 100", "100"))
        await it.agent.reload()
        await eventually(lambda: it.agent.store.waiting_count("a") == 0, 20)
        expected = [each.seq for each in await it.agent.store.events(EventFilter(type="alarm."), 1000)]

        assert [seq for _, kind, _, seq in it.got if kind.startswith("alarm.")] == expected


async def test_a_removed_destination_gives_up_what_waits_and_a_new_one_starts_now(tmp_path, free_port):
    """Its events are dead letters that say so; what was before the new one's time is not sent to it."""
    other = "b: {url: URL/b, signing: none}"
    async with plant(tmp_path, free_port) as it:
        it.receives = False
        await it.agent.pipeline.tell(it.agent.pipeline.event(EventType.AGENT_TEST, {}))
        it.write(destinations=other)
        await it.agent.reload()

        letters = await it.agent.desk.dead_letters({"destination": "a"})
        assert {letter["reason"] for letter in letters} == {"destination_removed"}
        assert it.agent.store.waiting_count("a") == 0
        assert list(it.agent.outlets.status()) == ["b"]


async def mute(reader, writer):
    """A device that takes the connection and says nothing."""
    await reader.read()
    writer.close()


async def test_a_changed_source_is_not_believed_until_it_answers_again(tmp_path, free_port):
    """Between its old and its new connection nothing is observed: a device that is mute proves nothing."""
    async with (
        await asyncio.start_server(mute, "127.0.0.1", 0) as device,
        plant(tmp_path, free_port) as it,
    ):
        port = device.sockets[0].getsockname()[1]
        tag = '{address: "40001", type: int16}'
        it.write(source=f'{{type: modbus, url: "tcp://127.0.0.1:{port}", timeout: 10s, tags: {{T: {tag}}}}}')
        await it.agent.reload()

        state = it.agent.pipeline.engine.tags["T"].state
        assert (state.bad_since is not None, state.reading.reason) == (
            True,
            "its configuration was changed, it is connected anew",
        )


async def test_a_stop_in_the_middle_of_a_reload_stops(tmp_path, free_port):
    """Sources that the reload was about to start are not started any more, or the agent would never end."""
    async with plant(tmp_path, free_port) as it:
        it.write(more_sources="  other: {type: simulated, tags: {U: {signal: constant, values: [1]}}}")
        agent, stopping = it.agent, asyncio.Event()
        replace, stop = agent.intakes.change, agent.outlets.stop

        async def replace_late(new):
            it.signals.stop.set()
            await stopping.wait()
            await replace(new)

        async def stop_slowly():
            stopping.set()
            await asyncio.sleep(0.2)
            await stop()

        agent.intakes.change, agent.outlets.stop = replace_late, stop_slowly
        it.signals.reload.set()
        await asyncio.wait_for(stopping.wait(), 10)


SECTIONS = {
    "flood: {more_than: 10 in 10m, until: 5 in 10m, digest_every: 60s}": [
        ("digest_every", None, "60s"),
        ("more_than", None, "10 in 10m"),
        ("until", None, "5 in 10m"),
    ],
    "flood: {more_than: 20 in 10m, until: 5 in 10m, digest_every: 60s}": [
        ("more_than", "10 in 10m", "20 in 10m")
    ],
    "profiles: {slow: {on_delay: 60s}}": [("slow", None, {"on_delay": "60s"})],
    "chattering: {raises: 3, in: 60s, quiet: 10m}": [
        ("in", None, "60s"),
        ("quiet", None, "10m"),
        ("raises", None, 3),
    ],
    "watch: true": [(None, None, True)],
    "store: {keep_delivered: 1d}": [("keep_delivered", None, "1d")],
    'maintenance: [{match: "R", from: 2026-12-01T06:00, to: 2026-12-01T14:00, reason: seal}]': [
        (None, None, [{"match": "R", "from": "2026-12-01T06:00", "to": "2026-12-01T14:00", "reason": "seal"}])
    ],
}


async def test_changed_sections_are_in_force_and_listed_key_by_key(tmp_path, free_port):
    """Also where no rule means something else; one that means something else is named beside."""
    async with plant(tmp_path, free_port) as it:
        for section, expected in SECTIONS.items():
            it.write(more=section)
            name = section.partition(":")[0]
            told = [each for each in await it.agent.reload() if each.get("section") == name]

            assert [(each.get("key"), each["from"], each["to"]) for each in told] == expected
            assert name in it.agent.configuration.written_sections
        assert it.agent.configuration.rules[0].gate.maintenance

        it.write()
        changed = await it.agent.reload()
        assert changed == [
            {"rule": "R"},
            {"section": "maintenance", "from": SECTIONS[section][0][2], "to": None},
        ]
        assert await it.agent.reload() == []


async def test_a_refused_file_is_told_until_one_is_accepted(tmp_path, free_port):
    """Nobody may believe that it is in force; the agent does its work meanwhile. What was, counts as accepted."""
    async with plant(tmp_path, free_port) as it:
        agent = it.agent
        assert (agent.warnings(), agent.status()["rejected"]) == ([], [])
        it.write(rules="R: {tag: T, hihg: 170}\n  S: {tag: T, high: no}")
        with pytest.raises(ConfigError):
            await agent.reload()

        first, second = agent.status()["rejected"]
        assert first.startswith(f"{it.file}:9:15: error: rule R: unknown key `hihg`")
        assert second.startswith(f"{it.file}:10:")
        [warning] = agent.warnings()
        assert f"the old one goes on: {first}, and 1 more; " in warning
        assert agent.problems() == []

        it.write()
        assert await agent.reload() == []
        assert (agent.warnings(), agent.status()["rejected"]) == ([], [])
        await eventually(lambda: any(kind == "agent.config_reloaded" for _, kind, _, _ in it.got))
        [event] = await it.stored("agent.config_reloaded")
        assert event.data["changed"] == []


async def test_a_reload_that_nothing_can_store_is_tried_again(tmp_path, free_port, monkeypatch):
    """A SIGHUP on a full disk is not forgotten."""
    monkeypatch.setattr("agent.reload._NO_ROOM_S", 0.05)
    async with plant(tmp_path, free_port) as it:
        replace, refused = it.agent.pipeline.replace_engine, []

        async def failing(engine):
            refused.append(engine)
            if len(refused) < 3:
                raise StoreUnavailable("no room")
            await replace(engine)

        it.agent.pipeline.replace_engine = failing
        it.write(rules="R: {tag: T, high: 180}")
        it.signals.reload.set()
        await eventually(lambda: it.types("R") == ["raised", "returned"])


async def test_files_that_change_are_loaded_while_the_file_says_so(tmp_path, free_port, monkeypatch):
    """`watch` is switched on and off by a reload; what is refused is loaded again when it changes again, not before."""
    monkeypatch.setattr("agent.watch._EVERY_S", 0.05)
    async with plant(tmp_path, free_port) as it:

        def limit():
            return it.agent.pipeline.engine.runs["R"].spec.conditions[0].at

        it.write(more="watch: true")
        await it.agent.reload()
        it.write(more="watch: true", rules="R: {tag: T, high: 180}")
        await eventually(lambda: limit() == 180)

        it.write(more="watch: true", rules="R: {tag: T, hihg: 160}")
        await eventually(it.agent.warnings)
        await asyncio.sleep(0.5)  # many looks
        assert len(await it.stored("agent.config_rejected")) == 1

        it.write(more="watch: false", rules="R: {tag: T, high: 160}")
        await eventually(lambda: limit() == 160 and not it.agent.warnings())
        it.write(rules="R: {tag: T, high: 150}")
        await asyncio.sleep(0.5)  # many looks
        assert limit() == 160


async def test_an_event_tells_no_more_than_receivers_take(tmp_path, free_port):
    """A file that is replaced whole has thousands of changes, or of mistakes: the first, and how many."""
    async with plant(tmp_path, free_port) as it:
        numbers = range(250)
        it.write(
            rules="\n  ".join(["R: {tag: T, high: 170}", *(f"R{n}: {{tag: T, high: 180}}" for n in numbers)])
        )
        assert len(await it.agent.reload()) == 500
        it.write(rules="\n  ".join(f"R{n}: {{tag: U, hihg: 180}}" for n in numbers))
        with pytest.raises(ConfigError):
            await it.agent.reload()
        await eventually(lambda: any(kind == "agent.config_rejected" for _, kind, _, _ in it.got))

        [reloaded] = await it.stored("agent.config_reloaded")
        [rejected] = await it.stored("agent.config_rejected")
        assert (len(reloaded.data["changed"]), reloaded.data["count"]) == (200, 500)
        assert (len(rejected.data["problems"]), rejected.data["count"]) == (
            200,
            len(it.agent.status()["rejected"]),
        )
        assert rejected.data["count"] >= 250
