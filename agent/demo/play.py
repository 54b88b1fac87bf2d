"""The play: plant -> agent -> receiver, a receiver that goes away and comes back, and the ledger.

Rules for whoever changes this file: nothing is staged but the plant's signals and the receiver's
absence; the agent is the real one, and the ledger is what the receiver can prove by itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from agent.clock import Clock
from agent.config.fields import format_duration
from agent.demo import DemoError
from agent.demo.agent_process import AgentProcess, Status, running_agent
from agent.demo.configuration import Keys, Stage
from agent.demo.ledger import Ledger, audit
from agent.demo.lines import Tone, data_of, tone_of, way_line
from agent.demo.plant import HOST, STEAM, TOPIC, Plant, Ports, free_port, open_plant
from agent.demo.receiver import Arrival, Receiver
from agent.model import SECOND

Say = Callable[[str, Tone], None]

_WAYS: Final = {
    "R1.TT101": "Modbus 40011",
    "R1.PT102": "Modbus 40013",
    "P101.RUN": "Modbus 10001",
    "TANK1.LT": "Modbus 30001",
    "BOILER.STEAM": f"OPC UA {STEAM}",
    "COMP1.CURRENT": f"MQTT {TOPIC}",
}
_PROTOCOLS: Final = {"R1.TT101": "Modbus", "BOILER.STEAM": "OPC UA", "COMP1.CURRENT": "MQTT"}
_FIRST_ALARMS_WITHIN: Final = (
    30  # seconds; ten are promised, a slow machine gets thirty before the demo gives up
)
_DRAINED_WITHIN: Final = 60  # seconds; the agent tries again within a few
_SETTLE: Final = 1.5  # seconds in which polls already under way may still raise something
_ASK_EVERY: Final = 0.25  # seconds


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the demo is to be played.

    Attributes:
        outage: nanoseconds for which the receiver goes away.
        once: end after the ledger instead of playing on.
    """

    outage: int
    once: bool


async def play(stage: Stage, keys: Keys, clock: Clock, wishes: Wishes, say: Say) -> bool:
    """Set the stage and play; everything started here has ended when it returns or raises.

    Returns:
        Whether the ledger is exact.

    Raises:
        DemoError: a part of it cannot go on; the message says which, and what to look at.
    """
    show = _Show(stage, keys.secret, clock, say)
    say(f"The configuration is in {stage.directory}: rules.yaml is yours to edit.", Tone.SCENE)
    try:
        async with (
            open_plant(clock, Ports(free_port(), free_port(), free_port())) as plant,
            show.listening_receiver(),
        ):
            stage.write(plant.sources_yaml(), keys)
            async with running_agent(stage) as agent, asyncio.TaskGroup() as tasks:
                others = [
                    tasks.create_task(plant.live(), name="plant"),
                    tasks.create_task(agent.watch(), name="agent"),
                ]
                exact = await show.perform(plant, agent, wishes)
                for task in others:
                    task.cancel()
                return exact
    except ExceptionGroup as group:  # the first says what stopped the show; the rest was stopped by it
        raise group.exceptions[0] from group


class _Show:
    """The scenes, and the receiver that tells of each arrival."""

    def __init__(self, stage: Stage, secret: str, clock: Clock, say: Say) -> None:
        self._stage = stage
        self._clock = clock
        self._say = say
        self._receiver = Receiver(secret, clock, self._arrived, stage.receiver_log)
        self._started = clock.monotonic()
        self._seen: set[str] = set()

    @contextlib.asynccontextmanager
    async def listening_receiver(self) -> AsyncIterator[None]:
        """The receiver, listening unless a scene takes it away."""
        await self._receiver.start(HOST, self._stage.receiver_port)
        try:
            yield
        finally:
            await self._receiver.stop()

    async def perform(self, plant: Plant, agent: AgentProcess, wishes: Wishes) -> bool:
        """Play all scenes; True if the ledger is exact."""
        self._started = self._clock.monotonic()
        self._say(
            f"The agent is started. Its page: {self._stage.page} (to acknowledge there, sign in with what is in "
            f"{self._stage.token_file}).",
            Tone.SCENE,
        )
        await self._first_alarms()
        await self._outage(agent, wishes.outage)
        exact = await self._count(plant, agent)
        if not wishes.once:
            plant.resume()
            self._say(
                f"The plant goes on. Edit {self._stage.directory / 'rules.yaml'}, then say in another terminal: "
                f"edge-relay reload -c {self._stage.directory}. Ctrl-C ends everything.",
                Tone.SCENE,
            )
            await asyncio.Event().wait()
        return exact

    def _arrived(self, arrival: Arrival) -> None:
        self._say(way_line(arrival, _WAYS), tone_of(arrival))
        tag = data_of(arrival.event).get("tag")
        if arrival.receipt is None or arrival.receipt.type != "alarm.raised" or not isinstance(tag, str):
            return
        if tag in _PROTOCOLS and tag not in self._seen:
            self._seen.add(tag)
            self._say(
                f"First alarm over {_PROTOCOLS[tag]}, {self._since_start():.1f} s after the start.",
                Tone.SCENE,
            )

    def _since_start(self) -> float:
        return (self._clock.monotonic() - self._started) / SECOND

    async def _first_alarms(self) -> None:
        while missing := [name for tag, name in _PROTOCOLS.items() if tag not in self._seen]:
            if self._since_start() > _FIRST_ALARMS_WITHIN:
                raise DemoError(
                    f"no alarm over {', '.join(missing)}: look into {self._stage.agent_log} and rules.yaml"
                )
            await asyncio.sleep(_ASK_EVERY)

    async def _outage(self, agent: AgentProcess, outage: int) -> None:
        """Take the receiver away, show what waits, bring it back, wait until nothing waits."""
        self._say(
            f"Now the receiver is gone for {format_duration(outage)}; the plant does not care.", Tone.SCENE
        )
        await self._receiver.stop()
        gone = self._clock.monotonic()
        while (rest := gone + outage - self._clock.monotonic()) > 0:
            await asyncio.sleep(min(rest / SECOND, 1))
            status = await agent.status()
            waiting = f"{status.waiting} events wait on disk" if status else "the agent gives no status"
            self._say(
                f"receiver gone for {(self._clock.monotonic() - gone) / SECOND:.0f} s: {waiting}", Tone.PLAIN
            )
        await self._receiver.start(HOST, self._stage.receiver_port)
        self._say("The receiver is back.", Tone.SCENE)
        back = self._clock.monotonic()
        if await self._drained(agent) is not None:
            self._say(
                f"Nothing waits any more, {(self._clock.monotonic() - back) / SECOND:.1f} s later.",
                Tone.SCENE,
            )

    async def _drained(self, agent: AgentProcess) -> Status | None:
        """Wait until no event waits for the receiver; None if that takes too long."""
        began = self._clock.monotonic()
        while (self._clock.monotonic() - began) / SECOND < _DRAINED_WITHIN:
            if (status := await agent.status()) and not status.waiting:
                return status
            await asyncio.sleep(_ASK_EVERY)
        return None

    async def _count(self, plant: Plant, agent: AgentProcess) -> bool:
        """Hold the plant still and count: nothing waits, nothing was given up, every `previous` is there."""
        plant.hold()
        await asyncio.sleep(_SETTLE)
        status = await self._drained(agent)
        ledger = audit(self._receiver.receipts.values())
        problems = [f"Never arrived: {', '.join(ledger.lost)}."] if ledger.lost else []
        if status is None:
            problems.append(f"There are events that still wait: look into {self._stage.agent_log}.")
        elif status.dead:
            problems.append(f"{status.dead} events were given up: `edge-relay deadletters list` says why.")
        exact = ledger.exact and not problems
        self._say(ledger_line(ledger), Tone.GOOD if exact else Tone.PROBLEM)
        for problem in problems:
            self._say(problem, Tone.PROBLEM)
        return exact


def ledger_line(ledger: Ledger) -> str:
    """`Ledger: 48 produced = 48 delivered, 0 lost, 0 duplicates (1 sent again, known by webhook-id)`."""
    sign = "=" if ledger.produced == ledger.delivered else "!="
    return (
        f"Ledger: {ledger.produced} produced {sign} {ledger.delivered} delivered, {len(ledger.lost)} lost, "
        f"{ledger.duplicates} duplicates ({ledger.repeated} sent again, known by webhook-id)"
    )
