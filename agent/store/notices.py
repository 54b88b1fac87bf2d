"""The events that the store makes of itself: it fills up, and what it gave up. Pure."""

from collections.abc import Callable

from agent.model import Event, EventType, Json, Priority
from agent.store.gaps import Gap

SUBJECT = "store"


def overflow(gap: Gap, limit: int, at: int, mint: Callable[[int], str]) -> Event:
    """Tell of a gap, so that receivers can name what they will never get."""
    return _event(EventType.STORE_OVERFLOW, gap.data(size_text(limit)), at, mint)


def filling(used: int, room: int, most: tuple[str, int] | None, at: int, mint: Callable[[int], str]) -> Event:
    """Tell that undelivered events take most of the room; `most`: who holds most of them, and how many."""
    name, waiting = most or ("", 0)
    held = f"; {waiting} of them are for {name}" if most else ""
    message = (
        f"undelivered events take {used * 100 // room} % of the room that the store has ({size_text(used)} of "
        f"{size_text(room)}){held}: bring back the destinations that take nothing, see to the dead letters, or raise "
        "store.max_size; when it is full the least important ones are given up"
    )
    data: dict[str, Json] = {"share": round(used / room, 3), "size": used, "limit": room}
    if most:
        data |= {"destination": name, "waiting": waiting}
    return _event(EventType.STORE_FILLING, {**data, "message": message}, at, mint)


def _event(kind: EventType, data: dict[str, Json], at: int, mint: Callable[[int], str]) -> Event:
    return Event(mint(at), kind, at, SUBJECT, Priority.HIGH, data)


def size_text(size: int) -> str:
    """Bytes as a person reads them: `1.6 GB`."""
    for unit, most in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= most:
            return f"{size / most:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} B"
