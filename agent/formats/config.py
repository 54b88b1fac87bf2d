"""How a destination's events are written, in the configuration.

Rules for whoever changes this: what can be wrong with a format is found when the file is loaded, here
for one key, in `checking` for what needs the other keys or a trial; no message repeats a secret.
"""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from agent.config.fields import Section
from agent.config.secrets import Secret

_MEDIA_TYPE: Final = re.compile(
    r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?: *; *[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|\"[^\"\\]*\"))*", re.ASCII
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST: Final = 65_536


def _check_media_type(text: str) -> str:
    if not _MEDIA_TYPE.fullmatch(text) or not text.isprintable():
        raise ValueError("expected a media type such as application/json or text/plain; charset=utf-8")
    return text


def _check_secret_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f'a template cannot name a secret "{name}": expected letters, digits and `_`')
    return name


SecretName = Annotated[str, AfterValidator(_check_secret_name)]


class FormatSection(Section):
    """What a destination of any kind may say of its bodies."""

    format: Literal["standard", "cloudevents", "template"] = "standard"
    """standard: JSON as the README describes it; cloudevents: CloudEvents 1.0; template: a body of your own."""
    fields: Literal["full", "changed"] | Annotated[tuple[str, ...], Field(strict=False)] = "full"
    """How much of an event is sent: full; changed: without what the rule says each time; or a list of fields."""
    template: Annotated[str, Field(min_length=1, max_length=_LONGEST)] | None = None
    """The body, written with the event's fields: {{ message }}, {{ value }}; for `format: template`."""
    secrets: dict[SecretName, Secret] = Field(default={})
    """Secrets that have to stand in the body: {{ secrets.NAME }} in the template."""
    content_type: Annotated[str, AfterValidator(_check_media_type)] | None = None
    """Media type of the body; none: what the format is, and of a template JSON if it begins with { or [, else text."""

    @property
    def carries(self) -> bool:
        """Whether it gets messages that came in, as their senders wrote them, one after the other; and no events."""
        return False
