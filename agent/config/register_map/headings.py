"""Which column of a vendor's list is what: the words that English and German manuals put above them.

Rules for whoever changes this: of several columns for one field the word that stands first in the table
wins; where that would decide about an address, nobody decides but the engineer.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.config.messages import did_you_mean
from agent.config.register_map.areas import Counting, read_area, read_place
from agent.config.register_map.numbers import whole_number
from agent.config.register_map.text import DELIMITERS, Cell, ListError, Row, declared_delimiter, split
from agent.config.register_map.types import type_word

_NOTHING: Final = {"", "-", "--", "\N{EN DASH}", "\N{EM DASH}", "n/a", "N/A"}
_LOOKED_AT: Final = 200  # rows, to tell what a column is
_MOST_COLUMNS: Final = 1000  # of headings: a file without line ends is no list
_SEARCHED: Final = 60  # rows above the headings: the name of the device, its version, a licence
_BRACKETS: Final = re.compile(r"[(\[{]([^)\]}]*)[)\]}]")
_NO_WORD: Final = re.compile(r"[^\w/%]+|_")
_PREFIXES: Final = re.compile(r"^(?:modbus|plc|sps|register map|en|de) (?=\w)")

# fmt: off
_PLACES: Final[dict[str, Mapping[str, str]]] = {
    "modbus": {
        "address": "address|adresse|addr|adr|register address|registeradresse|register adresse|register|reg|"
        "register number|registernummer|register nummer|register no|register nr|reg no|reg nr|reg addr|reg address|"
        "start address|startadresse|start register|startregister|first register|data address|datenadresse|"
        "register start|address dec|address hex|adresse dez|adresse hex|"
        "modicon address|modicon|plc address|reference|"
        "offset|register offset|address offset|pdu address|pdu|protocol address|wire address|zero based address",
    },
    "opcua": {"node": "node|node id|nodeid|knoten|knoten id|opc ua node|opc ua node id|opc ua address|ua node id"},
    "mqtt": {"topic": "topic|mqtt topic|thema", "value": "value|json path|value path|path|pfad|wert",
             "time": "time|timestamp|time path|zeit|zeitstempel"},
}
_COMMON: Final[Mapping[str, str]] = {
    "name": "tag|tag name|tagname|symbol|symbolname|symbol name|mnemonic|name|variable|variablenname|variable name|"
    "signal|signalname|signal name|point|point name|datapoint|datapoint name|data point|datenpunkt|datenpunktname|"
    "register name|registername|bezeichner|kurzbezeichnung|kurzname|parameter|parameter name|parametername|"
    "bezeichnung|benennung|measurement|measured value|measurand|messgröße|messwert|quantity|value name|item|"
    "description|beschreibung|text|label",
    "unit": "unit|units|einheit|einheiten|engineering unit|engineering units|eu|uom|dimension|maßeinheit|phys unit|"
    "phys einheit|physical unit",
    "description": "description|beschreibung|kommentar|comment|comments|remark|remarks|bemerkung|bemerkungen|note|"
    "notes|hinweis|hinweise|erläuterung|bedeutung|meaning|langtext|long text|info|details",
    "access": "access|zugriff|r/w|rw|read/write|read write|lesen/schreiben|permission|access type|zugriffsart",
    "min": "min|minimum|min value|minimalwert|lower limit|low limit|range min|low",
    "max": "max|maximum|max value|maximalwert|upper limit|high limit|range max|high",
    "range": "range|value range|wertebereich|messbereich|measuring range|engineering range|bereich",
}
_REGISTERS: Final[Mapping[str, str]] = {
    "type": "type|typ|data type|datatype|datentyp|format|datenformat|data format|variable type|value type|"
    "representation|register format",
    "area": "area|register type|registertyp|registerart|register art|object type|objekttyp|register table|table|"
    "function|function code|funktionscode|funktion|fc|f code|fcode|modbus function|read function|read fc|"
    "function code read|space|region",
    "scale": "scale|scaling|skalierung|scale factor|scaling factor|skalierungsfaktor|factor|faktor|multiplier|"
    "multiplikator|resolution|auflösung|gain|coefficient|lsb|step|divisor|divider|teiler|conversion|umrechnung",
    "add": "add|bias|summand|value offset|zero offset|offset value",
    "length": "length|länge|size|größe|count|words|wörter|worte|registers|register count|quantity|registeranzahl|"
    "anzahl register|anzahl|number of registers|no of registers|no of words|number of words|qty|"
    "characters|zeichen|bytes|bits|width|data length|datenlänge|len",
    "bit": "bit|bit no|bit nr|bit number|bitnummer|bit position|bitposition|bitnr",
    "byte_order": "byte order|byteorder|word order|wordorder|endian|endianness|endianess|byte sequence|bytereihenfolge|"
    "wortreihenfolge",
    "unit_id": "unit id|unitid|slave|slave id|slave address|device id|geräteadresse|slaveadresse",
    "invalid": "invalid|invalid value|invalid values|nan|nan value|not available|ungültig|ungültiger wert|error value",
}
# fmt: on
FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "modbus": {**_PLACES["modbus"], **_COMMON, **_REGISTERS},
    "opcua": {**_PLACES["opcua"], **_COMMON},
    "mqtt": {**_PLACES["mqtt"], **_COMMON},
}
"""For each protocol the fields of a tag, and the words above their columns, the surest first."""
PLACE: Final = {kind: next(iter(words)) for kind, words in _PLACES.items()}
"""The field without which a list of that protocol is none."""
_RANKS: Final = {
    kind: {name: {word: rank for rank, word in enumerate(words.split("|"))} for name, words in fields.items()}
    for kind, fields in FIELDS.items()
}
_OFFSETS: Final = {word for word in _RANKS["modbus"]["address"] if word.startswith(("offset", "pdu", "wire"))} | {
    "register offset", "address offset", "protocol address", "zero based address",
}  # fmt: skip
_PRINTED: Final = {"modicon", "modicon address", "plc address"}


def normal(title: str) -> str:
    """A heading as the table above has its words: lower case, without brackets and signs."""
    bare = _NO_WORD.sub(" ", _BRACKETS.sub(" ", title).lower()).strip()
    while (shorter := _PREFIXES.sub("", bare)) != bare:
        bare = shorter
    return bare


def remark(title: str) -> str:
    """What a heading says in brackets: `hex` of `Address (hex)`; in lower case."""
    return " ".join(_BRACKETS.findall(title)).lower()


@dataclass(frozen=True, slots=True)
class Table:
    """A list whose columns are known.

    Attributes:
        columns: the index of each field's column.
        titles: the heading of each field's column, as it is written.
        rows: what stands below the headings.
    """

    columns: Mapping[str, int]
    titles: Mapping[str, str]
    rows: Sequence[Row]

    def cell(self, row: Row, name: str) -> Cell | None:
        """What a row has for a field; None: nothing, or one of the dashes that mean nothing."""
        index = self.columns.get(name)
        if index is None or index >= len(row) or row[index].text in _NOTHING:
            return None
        return row[index]

    def texts(self, *names: str) -> Iterable[str]:
        """Every text of some columns."""
        return (cell.text for row in self.rows for name in names if (cell := self.cell(row, name)))


@dataclass(frozen=True, slots=True)
class _Headings:
    """The headings of a list under one delimiter, as far as they were found."""

    delimiter: str
    index: int = -1
    row: Row = ()
    found: Mapping[str, Sequence[int]] = field(default_factory=dict)


def read_table(text: str, kind: str, chosen: Mapping[str, str]) -> Table:
    """Find the delimiter, the headings and the columns.

    Args:
        text: the whole file.
        kind: the protocol, a key of `FIELDS`.
        chosen: the heading of a field's column, where the engineer says it.

    Raises:
        ListError: there are no headings, or a column could be two things.
    """
    tried = [_headings(text, each, kind, chosen) for each in declared_delimiter(text) or DELIMITERS]
    best = max(tried, key=lambda each: (len(each.found), len(each.row)))
    if best.index < 0:
        raise ListError(
            f"no headings found: expected a line that names the columns, `{PLACE[kind]}` and `name` among "
            "them; where they are called otherwise: columns: {name: HEADING, " + PLACE[kind] + ": HEADING}"
        )
    titles = [cell.text for cell in best.row]
    first = best.row[0]
    for name, heading in chosen.items():
        if heading not in titles:
            text = f"there is no column `{heading}`{did_you_mean(heading, titles)}"
            raise ListError(text, first.line, first.column, ("columns", name))
    rows = list(split(text, best.delimiter))[best.index + 1 :]
    rows = [row for row in rows if [cell.text for cell in row] != titles]  # once more on every page
    try:
        columns = _columns(best, rows, kind, chosen)
    except ValueError as error:
        raise ListError(str(error), first.line, first.column) from None
    return Table(columns, {name: titles[index] for name, index in columns.items()}, rows)


def address_heading(title: str) -> tuple[Counting | None, bool]:
    """What the heading of the addresses says: their counting, and whether they are hexadecimal."""
    bare, said = normal(title), f"{normal(title)} {remark(title)}"
    hexadecimal = bool(re.search(r"\bhex", said))
    if bare in _OFFSETS or re.search(r"\b(?:0|zero)[ -]based|base 0|\bpdu\b", said):
        return "offset", hexadecimal
    if bare in _PRINTED or re.search(r"\bmodicon\b|\b[34]x", said):
        return "manual", hexadecimal
    return "number" if re.search(r"\b(?:1|one)[ -]based|base 1", said) else None, hexadecimal


def has_headings(text: str, kind: str, chosen: Mapping[str, str]) -> bool:
    """Whether a text has the headings of a list of this protocol."""
    return any(_headings(text, each, kind, chosen).row for each in declared_delimiter(text) or DELIMITERS)


def _headings(text: str, delimiter: str, kind: str, chosen: Mapping[str, str]) -> _Headings:
    """Find the line that names the place of the values, and one thing more."""
    best = _Headings(delimiter)
    for index, row in enumerate(split(text, delimiter, _SEARCHED)):
        found: dict[str, list[int]] = {}
        for column, cell in enumerate(row[:_MOST_COLUMNS]):
            title = normal(cell.text)
            named = [name for name, heading in chosen.items() if heading == cell.text]
            for name in named or [name for name, ranks in _RANKS[kind].items() if title in ranks]:
                found.setdefault(name, []).append(column)
        if PLACE[kind] in found and len(found) > max(1, len(best.found)):
            best = _Headings(delimiter, index, row, found)
    return best


def _columns(
    headings: _Headings, rows: Sequence[Row], kind: str, chosen: Mapping[str, str]
) -> dict[str, int]:
    """Decide on one column for each field.

    Raises:
        ValueError: two could be the address.
    """
    titles = [cell.text for cell in headings.row]
    found = {name: list(columns) for name, columns in headings.found.items()}
    if kind == "modbus":
        _by_contents(found, titles, rows, chosen)
    columns: dict[str, int] = {}
    for name, ranks in _RANKS[kind].items():
        free = [index for index in found.get(name, ()) if index not in columns.values()]
        if free:
            columns[name] = min(free, key=lambda index: ranks.get(normal(titles[index]), -1))
    return columns


def _by_contents(
    found: dict[str, list[int]], titles: Sequence[str], rows: Sequence[Row], chosen: Mapping[str, str]
) -> None:
    """Tell by what stands below a heading which of its meanings it has: `Type` of what, `Function` or description."""
    if "address" not in chosen:
        _addresses(found, titles, rows)
    if "area" in found and "area" not in chosen:
        found["area"] = [index for index in found["area"] if _mostly(_is_area, rows, index)]
    if "length" in found and "length" not in chosen:
        found["length"] = [index for index in found["length"] if _mostly(_is_count, rows, index)]
    if "type" in found and "type" not in chosen:
        areas = [index for index in found["type"] if _mostly(_is_area, rows, index)]
        if not found.get("area"):
            found["area"] = areas
        types = [index for index in found["type"] if index not in areas]
        found["type"] = [index for index in types if _mostly(_is_type, rows, index)] or types


def _addresses(found: dict[str, list[int]], titles: Sequence[str], rows: Sequence[Row]) -> None:
    """Find the one column of addresses among those that are called so."""
    several = found["address"]
    fitting = [index for index in several if _mostly(_is_address, rows, index)] or several
    for index in several:
        if index not in fitting:  # `Register` may be its table, or its name
            found.setdefault("area" if _mostly(_is_area, rows, index) else "name", [index])
    decimal = [index for index in fitting if not address_heading(titles[index])[1]] or fitting
    others = [index for index in decimal if normal(titles[index]) not in _OFFSETS] or decimal
    if "scale" in found and len(others) < len(decimal):
        found.setdefault("add", []).extend(index for index in decimal if index not in others)
        decimal = others
    if len(decimal) > 1:
        both = " and ".join(f"`{titles[index]}`" for index in decimal[:3])
        raise ValueError(
            f"{both} could be the address: say which, columns: {{address: {titles[decimal[0]]}}}"
        )
    found["address"] = decimal


def _mostly(fits: Callable[[str], bool], rows: Sequence[Row], index: int) -> bool:
    """Whether at least half of what stands in a column fits."""
    texts = [row[index].text for row in rows[:_LOOKED_AT] if index < len(row) and row[index].text]
    return 2 * sum(map(fits, texts)) >= len(texts) > 0


def _is_area(text: str) -> bool:
    return read_area(text, function=True) is not None


def _is_address(text: str) -> bool:
    return read_place(text, "hexadecimal") is not None or read_place(text, "decimal") is not None


def _is_count(text: str) -> bool:
    return whole_number(text) is not None


def _is_type(text: str) -> bool:
    return type_word(text) is not None
