"""What a template can do at all: read values, choose, repeat a little, write.

Nothing of Python can be reached: a dot or bracket finds keys of maps and places of lists alone, and
nothing can be called but what `language` lets through. What a slip could make endless or huge has a
bound: the turns of all loops together, each text, the body.

Rules for whoever changes this: a filter that can make its input larger says no before it does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from jinja2 import ChainableUndefined
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.formats.errors import FormatError
from agent.formats.template.filters import FILTERS, LARGEST_TEXT, Ready, is_absent, listed, text_of, to_json

FILE: Final = "<the destination's template>"
"""What the code of a template calls its file: how its lines are found in a traceback."""
LARGEST_BODY: Final = 256_000
"""Characters; receivers expect bodies under 20 kB."""
LONGEST_RANGE: Final = 1_000
_MOST_TURNS: Final = 10_000


class Absent(ChainableUndefined):
    """A field without meaning for this event: writes nothing, is not defined, and takes `| default(...)`."""

    @property
    def _undefined_message(self) -> str:
        name = self._undefined_name
        named = f"`{name}` has no meaning for this event" if name else "what it reckons with is not there"
        return f"{named}: `| default(...)` says what stands instead"


class Sandbox(ImmutableSandboxedEnvironment):
    """The engine for the template of one destination; used by one event after the other.

    Args:
        json: the body is JSON: texts are escaped for it.
    """

    intercepted_binops = frozenset({"+", "*", "%"})

    def __init__(self, *, json: bool) -> None:
        self._turns = 0
        super().__init__(
            undefined=Absent,
            finalize=_in_json if json else text_of,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=0,
        )
        self.globals = {"range": _range}
        kept = {name: self.filters[name] for name in _OF_JINJA}
        self.filters = {name: _bounded(use) for name, use in {**kept, **FILTERS}.items()}
        self.tests["known"] = lambda value: not is_absent(value)
        self.filters |= {COUNTED: self._counted, JOINED: _joined}

    def begin(self) -> None:
        """Another event: the bounds are for one body."""
        self._turns = 0

    def getattr(self, obj: object, attribute: str) -> object:
        """`x.name`; overrides what would find methods."""
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        found = self.getitem(obj, attribute)
        return self.undefined(obj=obj, name=attribute) if isinstance(found, Absent) else found

    def getitem(self, obj: object, argument: object) -> object:
        """`x["name"]`, `x[0]`; overrides what would find methods."""
        match obj, argument:
            case Mapping(), str() if argument in obj:
                return obj[argument]
            case list() | tuple() | str(), int() if -len(obj) <= argument < len(obj):
                return obj[argument]
            case _:
                return self.undefined()  # without a name: what was looked for may be a secret

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:  # noqa: ARG002 - the base's signature
        """`+`, `*` and `%`: of numbers, and `+` of two texts or two lists."""
        if operator == "+" and isinstance(left, str | list) and isinstance(right, str | list):
            if len(left) + len(right) > LARGEST_TEXT:
                raise FormatError("a text or list grows too large")
        elif isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple):
            raise FormatError(f"`{operator}` is for numbers; texts are put together with `~`")
        return self.binop_table[operator](left, right)

    def _counted(self, value: object) -> Iterator[object]:
        """What a loop goes over; every turn of every loop counts."""
        for each in listed(value):
            self._turns += 1
            if self._turns > _MOST_TURNS:
                raise FormatError(f"its loops take more than {_MOST_TURNS} turns")
            yield each


COUNTED: Final = "(counted)"
JOINED: Final = "(joined)"
_OF_JINJA: Final = (
    *("abs", "count", "dictsort", "first", "float", "int", "last", "length", "list", "map", "max", "min"),
    *("reject", "rejectattr", "select", "selectattr", "sort", "unique"),
)


def _range(*bounds: int) -> range:
    made = range(*bounds)
    if len(made) > LONGEST_RANGE:
        raise FormatError(f"range(...) of more than {LONGEST_RANGE}: write a smaller one")
    return made


def _joined(parts: Iterable[object]) -> str:
    """`a ~ b`."""
    texts = [text_of(part) for part in parts]
    if sum(map(len, texts)) > LARGEST_TEXT:
        raise FormatError("a text grows too large")
    return "".join(texts)


def _in_json(value: object) -> str:
    """As it stands in a JSON body: JSON that was asked for as it is, everything else for the inside of quotes."""
    text = text_of(value)
    # Half a character has no JSON: a question mark, as everywhere.
    return text if isinstance(value, Ready) else to_json(text.encode(errors="replace").decode())[1:-1]


def _bounded(use: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose text is refused where it grows too large."""

    def bounded(*arguments: Any, **named: Any) -> Any:
        result = use(*arguments, **named)
        if isinstance(result, str) and len(result) > LARGEST_TEXT:
            raise FormatError("a text grows too large")
        return result

    if hasattr(use, "jinja_pass_arg"):
        bounded.jinja_pass_arg = use.jinja_pass_arg  # type: ignore[attr-defined]  # how jinja marks what it hands itself to
    return bounded
