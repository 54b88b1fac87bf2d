"""Where the value of a Modbus row stands.

Rules for whoever changes this: an address goes into the tag as the list has it (40011, or area and offset), so that
both can be compared.
"""

from agent.config.register_map.areas import Place, printed, read_place
from agent.config.register_map.decided import Decided
from agent.config.register_map.row import RowReader
from agent.config.register_map.text import Cell
from agent.sources.modbus.address import manual_address
from agent.sources.modbus.plan import ADDRESSES, Area


def read_address(reader: RowReader, decided: Decided) -> tuple[Place, Area] | None:
    """Write where the row's value stands; None: refused."""
    cell, where = reader.cell("address"), reader.cell("area")
    place = None if cell is None else read_place(cell.text, decided.notation)
    area = decided.area(where)
    if cell is None or place is None:
        wrong = "the address is missing" if cell is None else f"`{cell.text}` is no address"
        reader.refuse(f"{wrong}: write a number such as 40011 or 10", cell)
    elif where is not None and area is None:
        reader.refuse(
            f"`{where.text}` is no kind of register: expected holding, input, coil or discrete, or the code of a "
            "function that reads, 1 to 4",
            where,
        )
    else:
        return _resolved(reader, decided, place, area, cell)
    return None


def _resolved(
    reader: RowReader, decided: Decided, place: Place, area: Area | None, cell: Cell
) -> tuple[Place, Area] | None:
    if place.area is not None and area not in {None, place.area}:
        text = f"`{place.text}` is of {place.area.value} registers, but the list says {area.value if area else ''}"
        reader.refuse(f"{text}: which is right?", cell)
        return None
    if place.area is not None:
        reader.put("address", manual_address(place.area, place.number), cell)
        return place, place.area
    if not place.offset and decided.counting in {None, "manual"}:
        return _printed(reader, decided, place, area, cell)
    if (area := area or reader.rows.options.area) is None:
        reader.refuse_list(
            "area",
            f"addresses such as {place.text} do not tell of which registers they are: holding, input, coil or discrete? "
            + reader.remedy("area: holding"),
            cell,
        )
        return None
    offset = place.number - (not place.offset and decided.counting == "number")
    if not 0 <= offset < ADDRESSES:
        reader.refuse(f"`{place.text}` is outside of the {ADDRESSES} addresses of an area", cell)
        return None
    reader.put("area", area.value, reader.cell("area") or cell)
    reader.put("offset", offset, cell)
    return place, area


def _printed(
    reader: RowReader, decided: Decided, place: Place, area: Area | None, cell: Cell
) -> tuple[Place, Area] | None:
    """An address of 5 or 6 digits, if it is said to be one."""
    if decided.counting is None:
        reader.refuse_list("addresses", _two_readings(place, area, reader), cell)
    elif not printed(place, area):
        reader.refuse(
            f"`{place.text}` is no address of 5 or 6 digits"
            + (f" of {area.value} registers" if area else "")
            + ", such as 40011: are they counted from 1 (`addresses: number`) or from 0 (`addresses: offset`)?",
            cell,
        )
    else:
        reader.put("address", place.text, cell)
        return place, next(each for each in Area if each.digit == place.text[0])
    return None


def _two_readings(place: Place, area: Area | None, reader: RowReader) -> str:
    """Why an address is refused, and which words decide."""
    begin = f"addresses such as {place.text} can be read in two ways: "
    if printed(place, area):
        known = next(each for each in Area if each.digit == place.text[0])
        return (
            f"{begin}as manuals print them, {known.value} register {int(place.text[1:])} (addresses: manual), or counted "
            f"from 0, as on the wire (addresses: offset, area: {known.value}): {reader.remedy('addresses: manual')}"
        )
    register = (area or Area.HOLDING).value
    needed = "" if area else f", area: {register}"
    return (
        f"{begin}counted from 1, {register} register {place.text} (addresses: number{needed}), or counted from 0, as on "
        f"the wire (addresses: offset{needed}): {reader.remedy(f'addresses: offset{needed}')}"
    )
