"""A body of one's own: a template, filled with the event's fields.

    sandbox: what a template can do at all     language: what it may say, told before it is tried
    filters, line_protocol: what it may call

The template comes from whoever writes the configuration, the values from the plant: a value must not be
able to break out of its place, so in a JSON body every text is escaped for a JSON string by itself.

Rules for whoever changes this: the same event gives the same bytes; no message repeats what the
template wrote, for a secret may stand in it; the whole folder is imported when a template is configured.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Final

import orjson
from jinja2 import Template, TemplateError, UndefinedError

from agent.delivery.body import Identity, Place, document
from agent.formats.config import FormatSection
from agent.formats.errors import FormatError
from agent.formats.media import is_json, is_json_lines, media_type
from agent.formats.template.language import prepared
from agent.formats.template.sandbox import FILE, LARGEST_BODY, Sandbox
from agent.model import SECOND, Event, Json

_WRONG_KIND: Final = (
    "it reckons with, or compares, what is unknown or no number; `| default(0)` is for what may be unknown"
)
_NEAR: Final = 40


class UnfilledError(FormatError):
    """The template gives no body for this event.

    Attributes:
        why: without the place; for a person.
        line: of the template; 0: it is about all of it.
        near: what stands in the body where it went wrong; may hold a secret, so only a trial shows it.
    """

    def __init__(self, why: str, line: int = 0, near: str = "") -> None:
        self.why, self.line, self.near = why, line, near
        super().__init__(f"the template, line {line}: {why}" if line else f"the template: {why}")


class TemplateFormat:
    """See `agent.formats.Formatter`."""

    def __init__(self, section: FormatSection, identity: Identity) -> None:
        self.content_type = self.batch_content_type = media_type(section)
        self._identity = identity
        self._secrets = {name: secret.reveal() for name, secret in section.secrets.items()}
        self._json = is_json(self.content_type)
        self._lines = is_json_lines(self.content_type)
        self._sandbox = Sandbox(json=self._json or self._lines)
        self._template = _compiled(self._sandbox, section.template or "")

    def one(self, event: Event, place: Place) -> bytes:
        """See the protocol."""
        body = self._written(self._names(event, place)).strip(" \t\r\n")
        if not body:
            raise UnfilledError("it writes nothing: write {% if %} so that each event has a body")
        for text in body.split("\n") if self._lines else [body] if self._json else []:
            _check_json(text)
        try:
            return body.encode()
        except UnicodeEncodeError:
            raise UnfilledError("it writes half a character, which no receiver can read") from None

    def many(self, bodies: Sequence[bytes], at: int) -> bytes:  # noqa: ARG002 - the members have their stamps
        """See the protocol."""
        return b"\n".join(bodies)

    def headers(self, _: Event) -> None:
        """See the protocol."""

    def _names(self, event: Event, place: Place) -> dict[str, object]:
        """What a template may name."""
        body = document(event, place, self._identity)
        data: Json = body["data"]
        time_ns = event.at + place.offset
        return {
            **(data if isinstance(data, dict) else {}),
            "type": body["type"],
            "time": body["timestamp"],
            "time_ns": time_ns,
            "time_s": time_ns // SECOND,
            "data": data,
            "secrets": self._secrets,
        }

    def _written(self, names: dict[str, object]) -> str:
        """Fill the template; what it can do wrong with an event has a sentence."""
        self._sandbox.begin()
        parts: list[str] = []
        size = 0
        try:
            for part in self._template.generate(names):
                parts.append(part)
                size += len(part)
                if size > LARGEST_BODY:
                    raise FormatError(f"it writes more than {LARGEST_BODY // 1000} kB")  # noqa: TRY301 - told with its line, below
        except FormatError as error:
            raise UnfilledError(str(error), _line(error.__traceback__)) from None
        except UndefinedError as error:
            raise UnfilledError(str(error.message), _line(error.__traceback__)) from None
        except ZeroDivisionError as error:
            raise UnfilledError(
                "it divides by zero: put {% if %} around it", _line(error.__traceback__)
            ) from None
        except TypeError as error:
            raise UnfilledError(_WRONG_KIND, _line(error.__traceback__)) from None
        except (
            ValueError,
            ArithmeticError,
            LookupError,
            AttributeError,
            RecursionError,
            TemplateError,
        ) as error:
            kind = type(error).__name__  # the text of the error may repeat a value
            raise UnfilledError(f"it cannot be filled ({kind})", _line(error.__traceback__)) from None
        return "".join(parts)


def _compiled(sandbox: Sandbox, text: str) -> Template:
    tree = prepared(sandbox, text)
    return Template.from_code(sandbox, sandbox.compile(tree, FILE, FILE), sandbox.make_globals(None))


def _check_json(text: str) -> None:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        near = text[max(0, error.pos - _NEAR) : error.pos + _NEAR // 4]
        raise UnfilledError("what it writes is no JSON", near=" ".join(near.split())) from None


def _line(traceback: TracebackType | None) -> int:
    """The line of the template in which it happened."""
    line = 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == FILE:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
