"""Media types, as far as a body must be what its type says."""

import re
from typing import Final

from agent.formats.config import FormatSection

_JSON_TYPE: Final = "application/json"
_TEXT_TYPE: Final = "text/plain; charset=utf-8"
_JSON: Final = re.compile(r"(?:application|text)/(?:[\w.+-]+\+)?json")
_JSON_LINES: Final = re.compile(r"(?:application|text)/(?:x-)?(?:ndjson|jsonl|jsonlines|json-lines)")
_LINES: Final = re.compile(r"text/(?!xml|html)[\w.+-]+")
# What is no text of the body itself: `{{ ... }}`, `{% ... %}`, `{# ... #}` and blanks.
# Possessive, or a template with many `{% %}` would be tried in every way in which it can be taken apart.
_NO_TEXT: Final = r"(?>\s+|\{%.*?%\}|\{#.*?#\})*+"
# A text may well begin with `[{{ priority }}]`.
_OBJECT: Final = r"\{(?![{%#])"
_BEGINS_AS_JSON: Final = re.compile(rf'{_NO_TEXT}(?:{_OBJECT}|\[{_NO_TEXT}(?:{_OBJECT}|["\[\]]))', re.DOTALL)


def media_type(section: FormatSection) -> str:
    """The type of the body that a template writes."""
    if section.content_type is not None:
        return section.content_type
    return _JSON_TYPE if _BEGINS_AS_JSON.match(section.template or "") else _TEXT_TYPE


def is_json(content_type: str) -> bool:
    """Whether the body is one JSON document."""
    return bool(_JSON.fullmatch(_bare(content_type)))


def is_json_lines(content_type: str) -> bool:
    """Whether each line of the body is a JSON document."""
    return bool(_JSON_LINES.fullmatch(_bare(content_type)))


def is_of_lines(content_type: str) -> bool:
    """Whether several bodies, one below the other, are a body of the same type."""
    return is_json_lines(content_type) or bool(_LINES.fullmatch(_bare(content_type)))


def _bare(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
