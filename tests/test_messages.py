"""What can be judged of a message by its source: it names something, gives a cause, and ends with no bare exception."""

import re

from rigs.messages import house_errors, messages

# Ends with what the machine said, and why that is enough there.
ENDS_BARE = {
    "agent/bundling/asked.py": "of a process that is examined: the manifest of a bundle, for its reader",
    "agent/bundling/collect.py": "the same",
    "agent/bundling/outside.py": "the same",
}
_BARE_END = re.compile(r".\{(error\.strerror|str\(error\)|repr\(error\))\}$")


def test_there_are_messages_to_judge():
    """Several hundred, of every kind."""
    found = [*messages()]
    assert len(found) > 700
    assert {each.kind for each in found} >= {"log", "Problem", "ValueError", "SourceError", "StoreRefused"}


def test_no_message_is_a_bare_word():
    """Not "failed", not "invalid": something is named, and something is said of it."""
    short = [
        str(each) for each in messages() if len(each.text.split()) < 2 and not re.search("[{%]", each.text)
    ]
    assert short == []
    vague = re.compile(
        r"(an? )?(unknown )?(error|failure|invalid|failed)( occurred| value| input)?\.?", re.IGNORECASE
    )
    assert [str(each) for each in messages() if vague.fullmatch(each.text)] == []


def test_no_message_ends_with_what_the_machine_said():
    """An errno's text is a cause: what to do comes after it."""
    bare = [
        str(each)
        for each in messages()
        if each.kind in house_errors() and _BARE_END.search(each.text) and each.path not in ENDS_BARE
    ]
    assert bare == []
