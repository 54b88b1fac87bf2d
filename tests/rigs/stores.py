"""A store in the test's folder: small events, a clock moved by hand, a disk that is full, slow or refuses."""

import asyncio
import resource
import time
from contextlib import asynccontextmanager, contextmanager

from agent.model import Event, EventType, Priority
from agent.store.records import Addressed, Step
from agent.store.store import Store

BOOT = "7d1b0c66-9d0e-4f57-8b5e-0d6c1a0f6f11"
START_WALL = 1_795_000_000_000_000_000


class HandClock:
    """Stands still until it is moved; `instant` is monotonic, the wall clock runs with it."""

    def __init__(self) -> None:
        self.instant = 1_000_000_000_000

    def monotonic(self):
        return self.instant

    def wall(self):
        return START_WALL + self.instant


class Rebooted(HandClock):
    """The monotonic clock of a machine that was just switched on; `wall` is its wall clock then."""

    def __init__(self, wall) -> None:
        self.instant = 5_000_000_000
        self._offset = wall - self.instant

    def wall(self):
        return self._offset + self.instant


def event(number=1, **changes: object):
    """An event that tells its number."""
    fields = {
        "id": f"evt_{number}",
        "type": EventType.ALARM_RAISED,
        "at": number,
        "subject": f"rule-{number % 3}",
        "priority": Priority.HIGH,
        "data": {"value": number / 8, "unit": "°C", "setpoint": None},
        "instants": {"onset": number},
        "tag": "R1.TT101",
        "rule": f"rule-{number % 3}",
    }
    return Event(**{**fields, **changes})


def step(*numbers: int, to=("a",), states=None, bulk=0):
    """A step with an event for each number; `bulk` bytes make it need new pages on disk."""
    events = [event(number, data={"value": number, "bulk": "x" * bulk}) for number in numbers]
    return Step([Addressed(one, tuple(to)) for one in events], states or {})


@asynccontextmanager
async def opened(path, *names: str, clock=None, tick=3600):
    """A store that knows these destinations; `tick` in seconds, so long that it never comes by itself."""
    clock = clock or HandClock()
    async with await Store.open(path, clock=clock, boot=BOOT, tick=round(tick * 1e9)) as store:
        await store.sync_destinations(names or ("a",))
        yield store


def recorded(store):
    """What the store announces from now on: (event numbers of the step, its deliveries) and failures."""
    announced = []
    store.on_commit = lambda done, deliveries: announced.append(
        ([addressed.event.at for addressed in done.events], list(deliveries))
    )
    store.on_failure = announced.append
    return announced


def numbers(deliveries):
    """The `seq` of each."""
    return [delivery.stored.seq for delivery in deliveries]


async def sql(store, statement, *parameters: object):
    """Reach into the file behind the store's back."""
    rows = list(await store._turns.connection.execute_fetchall(statement, parameters))
    if store._turns.connection.in_transaction:
        await store._turns.connection.commit()
    return rows


@contextmanager
def refusing_disk():
    """Every write to a file fails (EFBIG), as it does on a disk that fails; reads go on."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@asynccontextmanager
async def full_disk(store):
    """The file may not grow: SQLITE_FULL, where an event needs a new page."""
    [(pages,)] = await sql(store, "PRAGMA page_count")
    await sql(store, f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        await sql(store, "PRAGMA max_page_count = 1073741823")


async def busy_disk(store, seconds):
    """Keep the store's thread for so long, as a sync on slow flash does."""
    await store._turns.connection.create_function("nap", 1, time.sleep)
    return asyncio.create_task(store._turns.connection.execute_fetchall("SELECT nap(?)", (seconds,)))


@asynccontextmanager
async def transactions(store):
    """Count what is committed: a list that grows by one for each COMMIT."""
    commits = []
    await store._turns.connection.set_trace_callback(
        lambda statement: commits.append(statement) if statement == "COMMIT" else None
    )
    yield commits
    await store._turns.connection.set_trace_callback(None)


async def eventually(condition, seconds=30.0):
    """Wait until it is true; fail when it is not within `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
