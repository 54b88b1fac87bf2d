"""Whether what a tag says under `write` can be: told when the file is loaded, with what to write instead.

Rules for whoever changes this file: nothing here writes, and nothing here decides about a single value;
what can be judged without the device is judged by the very encoder that would be used.
"""

from agent.codec.modbus import BitField, NumberField, TextField
from agent.codec.modbus_encode import encode
from agent.sources.modbus.facts import facts
from agent.sources.modbus.plan import Area, Point
from agent.sources.writing import WriteSection


def check_grant(point: Point, grant: WriteSection) -> None:
    """Refuse what no write could ever do.

    Raises:
        ValueError: why, with the remedy.
    """
    match point.area, point.field:
        case Area.INPUT, _:
            raise ValueError(
                "an input register cannot be written in Modbus: name the holding register that the PLC "
                "takes the value from, or delete `write`"
            )
        case Area.DISCRETE, _:
            raise ValueError(
                "a discrete input cannot be written in Modbus: name the coil that the PLC takes it from, "
                "or delete `write`"
            )
        case _, BitField():
            raise ValueError(
                "one bit of a register cannot be written alone, and its other bits belong to the PLC's "
                "program: have it give a coil, or a register of its own, and write that"
            )
        case _, TextField():
            raise ValueError("a text is not written: `write` is for numbers and coils")
        case _, NumberField() as field:
            _check_bounds(field, grant)
        case _ if grant.of_number:
            raise ValueError("a coil is true or false and has no bounds: leave out `min` and `max`")


def _check_bounds(field: NumberField, grant: WriteSection) -> None:
    if grant.min is None or grant.max is None:
        raise ValueError("a number is written within bounds: add `min` and `max`, in engineering units")
    for name, bound in (("min", grant.min), ("max", grant.max)):
        try:
            encode(field, bound, (grant.min, grant.max))
        except ValueError as error:
            raise ValueError(f"`{name}: {bound:g}` cannot be written: {error}{_holds(field)}") from None


def _holds(field: NumberField) -> str:
    """Which numbers the registers can mean, as far as that can be said."""
    known = facts(field)
    if known.reach is None:
        return ""
    low, high = known.reach
    steps = "" if known.step in {None, 1} else f" in steps of {known.step:g}"
    return f"; it takes {low:.10g} to {high:.10g}{steps}"
