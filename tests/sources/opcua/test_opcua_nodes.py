"""How a variable may be named, and what is refused with which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sources.opcua.nodes import Step, split_node, split_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nsu=urn:plant:boiler;s=Steam.Pressure", ("urn:plant:boiler", "s=Steam.Pressure")),
        ("nsu=http://plant/%3Ba%25;s=a;b=c", ("http://plant/;a%", "s=a;b=c")),
        ("ns=2;s=Steam", (2, "s=Steam")),
        ('ns=3;s="DB1"."T"', (3, 's="DB1"."T"')),
        ("ns=4;i=1001", (4, "i=1001")),
        ("i=2258", (0, "i=2258")),
        (
            "ns=2;g=09087e75-8e5e-499b-954f-f2a9603db28a",
            (2, "g=09087e75-8e5e-499b-954f-f2a9603db28a"),
        ),
        ("ns=2;b=M/RbKBsRVkePCePcx24oRA==", (2, "b=M/RbKBsRVkePCePcx24oRA==")),
    ],
)
def test_split_node(text, expected):
    """A node id is a namespace, by URI or index, and an identifier."""
    assert expected == split_node(text)


@pytest.mark.parametrize(
    "text",
    [
        "Steam.Pressure",
        "2;s=Steam",
        "ns=;s=a",
        "ns=2;s=",
        "ns=2;i=abc",
        "i=4294967296",
        "ns=2;g=1",
        "ns=2;b=%",
        "nsu=;s=a",
        "",
    ],
)
def test_what_is_no_node_id_is_refused_with_examples(text):
    """The message shows the forms, the one that survives a restart first."""
    with pytest.raises(ValueError, match=r"expected a node id: nsu=urn:plant:boiler;s=Steam.Pressure"):
        split_node(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Objects/Boiler/Steam", [(None, "Objects"), (None, "Boiler"), (None, "Steam")]),
        ("Root/Objects/2:Boiler", [(None, "Objects"), (2, "Boiler")]),
        ("/0:Objects/2:Boiler", [(0, "Objects"), (2, "Boiler")]),
        ("Objects/nsu=urn:plant:boiler;Steam", [(None, "Objects"), ("urn:plant:boiler", "Steam")]),
        ("Objects/nsu=http://plant/b;A/B", [(None, "Objects"), ("http://plant/b", "A"), (None, "B")]),
        ("Objects/A&/B/12&:30/&&", [(None, "Objects"), (None, "A/B"), (None, "12:30"), (None, "&")]),
    ],
)
def test_split_path(text, expected):
    """Names may carry a namespace, by index or URI; `&` takes the meaning from the character behind it."""
    assert tuple(Step(*step) for step in expected) == split_path(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "Boiler/Steam",
        "Objects/",
        "Objects//Steam",
        "Objects/nsu=urn:x;",
        "Objects/2:",
        "Objects/70000:a",
    ],
)
def test_what_is_no_path_is_refused_with_examples(text):
    """The message shows the forms."""
    with pytest.raises(ValueError, match="expected a path of browse names, such as Objects/Boiler/Steam"):
        split_path(text)


@given(st.text(), st.sampled_from([split_node, split_path]))
def test_any_text_is_split_or_refused(text, split):
    """Nothing but a ValueError comes out of it."""
    refused = ""
    try:
        split(text)
    except ValueError as error:
        refused = str(error)

    assert not refused or "expected a" in refused
