"""What a tag may name on a real server: paths, elements of arrays, changes of some size."""

import contextlib
import dataclasses
import datetime as dt
import logging

import pytest
from asyncua import ua
from rigs.opcua_quirks import (
    cutting_arrays,
    delaying_first_values,
    forgetting_first_values,
    limiting,
    refusing_items,
    revising_items,
)
from rigs.opcua_server import NAMESPACE
from rigs.opcua_session import FAST, configure, watching

from agent.metrics import ITEMS_ALIVE, VALUES_LOST
from agent.model import MILLISECOND, Quality


def source(plant, more=None, **tags: dict):
    return configure(plant.url, tags=tags, **(more or {}))


def node(name):
    return f"nsu={NAMESPACE};s={name}"


def alive() -> float:
    return ITEMS_ALIVE.labels("boiler")._value.get()


# Browse paths


@pytest.fixture(scope="module")
def tree(plant):
    """Two namespaces, and names that stand in both."""
    plant.add_below("Line")
    plant.add_below("Line", "Oven")
    plant.add_below("Line", "Oven", "Heat", value=1.5)
    plant.add_below("Line", "Twice", value=1)
    plant.add_below("Line", "1:Twice", value=2)
    plant.add_below("Line", "A/B", value=3)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Objects/Line/Oven/Heat", 1.5),
        ("Objects/{index}:Line/Oven/{index}:Heat", 1.5),
        (f"Objects/nsu={NAMESPACE};Line/nsu={NAMESPACE};Oven/Heat", 1.5),
        ("Objects/Line/1:Twice", 2),
        ("Objects/Line/A&/B", 3),
        ("Objects/Server/NamespaceArray", None),
    ],
)
@pytest.mark.usefixtures("tree")
async def test_a_browse_path_is_followed(plant, path, expected):
    """With namespaces by index or URI, or without; through whatever lies below what."""
    config = source(plant, T={"browse_path": path.format(index=plant.index)})
    async with watching(config) as watch:
        await watch.until(lambda: watch.readings("T"))

    assert watch.values("T") == [expected]
    assert "was refused" not in watch.readings("T")[0].reason


@pytest.mark.usefixtures("tree")
async def test_a_path_that_leads_nowhere_is_bad_alone(plant):
    """It says how far it led; and is asked for again until it leads somewhere."""
    tags = {"good": {"browse_path": "Objects/Line/Oven/Heat"}, "T": {"browse_path": "Objects/Line/Late/Heat"}}
    async with watching(source(plant, **tags)) as watch:
        await watch.until(lambda: watch.values("good") == [1.5])
        assert "below Objects/Line there is no Late: check the browse path" in watch.readings("T")[0].reason
        plant.add_below("Line", "Late")
        plant.add_below("Line", "Late", "Heat", value=4)
        await watch.until(lambda: watch.values("T")[-1] == 4)

    assert watch.readings("T")[-1].baseline


@pytest.mark.usefixtures("tree")
async def test_a_path_that_leads_to_two_nodes_is_refused(plant):
    """Nobody could tell which one was read; both are named."""
    async with watching(source(plant, T={"browse_path": "Objects/Line/Twice"})) as watch:
        await watch.until(lambda: watch.readings("T"))
        (reading,) = watch.readings("T")

    assert (reading.value, reading.quality) == (None, Quality.BAD)
    assert reading.reason == (
        f"the browse path leads to 2 nodes: ns={plant.index};s=Line/1:Twice, ns={plant.index};s=Line/Twice: "
        "name one of them as `node`"
    )


async def test_a_namespace_that_is_not_there_is_told(plant):
    """With those that are."""
    async with watching(source(plant, T={"browse_path": "Objects/nsu=urn:gone;A"})) as watch:
        await watch.until(lambda: watch.readings("T"))

    assert (
        "the server has no namespace urn:gone; it has http://opcfoundation.org/UA/"
        in watch.readings("T")[0].reason
    )


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.usefixtures("tree")
async def test_paths_are_looked_up_within_the_operation_limits(plant, told):
    """What many paths share is asked once, and a server that names no limit is asked for less until it answers."""
    tags = {f"T{number}": {"browse_path": f"Objects/Line/No{number}"} for number in range(9)}
    tags["T"] = {"browse_path": "Objects/Line/Oven/Heat"}
    with limiting(plant, paths=4, told=told) as sizes:
        async with watching(source(plant, **tags)) as watch:
            await watch.until(lambda: watch.values("T") == [1.5])

    assert max(sizes["translate"]) <= 4
    assert len(watch.seen) >= 10


# Elements of arrays


@pytest.mark.parametrize("cut", [True, False])
async def test_an_element_of_an_array(plant, cut):
    """Asked for alone where the server knows how, else picked from the whole array."""
    name = f"array-{cut}"
    plant.add(name, [10, 20, 30], ua.VariantType.Int32)
    tags = {"first": {"node": node(name), "index": 0}, "last": {"node": node(name), "index": 2}}
    tags |= {"beyond": {"node": node(name), "index": 3}, "whole": {"node": node(name)}}
    with cutting_arrays() if cut else contextlib.nullcontext([]) as asked:
        async with watching(source(plant, **tags)) as watch:
            await watch.until(lambda: len({one.tag for one in watch.seen if hasattr(one, "tag")}) == 4)
            plant.set(name, [11, 20, 31], ua.VariantType.Int32)
            await watch.until(lambda: watch.values("first")[-1] == 11 and watch.values("last")[-1] == 31)

    assert ("2" in asked) == cut
    assert watch.values("first")[0] == 10
    beyond, whole = watch.readings("beyond")[0], watch.readings("whole")[0]
    assert (beyond.quality, whole.quality) == (Quality.BAD, Quality.BAD)
    assert "they count from 0" in beyond.reason
    assert (
        whole.reason
        == "the server sent an array, which is not supported: name one of its elements by `index`"
    )


async def test_an_array_of_one_element_is_not_taken_for_the_one_that_was_asked_for(plant):
    """A server may cut the arrays of some nodes and send others whole, however short these become."""
    for name in ("obedient", "whole"):
        plant.add(name, [10, 20, 30], ua.VariantType.Int32)
    plant.add("short", [7], ua.VariantType.Int32)
    tags = {name: {"node": node(name), "index": 2} for name in ("obedient", "whole", "short")}
    with cutting_arrays(but="whole"):
        async with watching(source(plant, **tags)) as watch:
            await watch.until(lambda: all(watch.readings(name) for name in tags))
            assert [watch.values(name)[0] for name in tags] == [30, 30, None]
            plant.set("whole", [11], ua.VariantType.Int32)
            await watch.until(lambda: len(watch.values("whole")) > 1)

    assert watch.readings("whole")[1].quality is Quality.BAD
    assert "index 2 is beyond its end" in watch.readings("whole")[1].reason


async def test_a_single_value_has_no_elements(plant):
    """The index is what is wrong."""
    plant.add("single", 5)
    async with watching(source(plant, T={"node": node("single"), "index": 0})) as watch:
        await watch.until(lambda: watch.readings("T"))

    assert (
        watch.readings("T")[0].reason == "the server sent a single value, which is no array: remove `index`"
    )


# Deadbands


async def test_the_server_sends_no_change_within_the_deadband(plant):
    """Absolute, or in percent of the tag's own range: half of 1% of 100 stays unsaid."""
    plant.add("noisy", 50.0)
    tags = {
        "absolute": {"node": node("noisy"), "deadband": 1},
        "percent": {"node": node("noisy"), "deadband": "1%"},
    }
    tags["percent"]["range"] = [0, 100]
    tags["all"] = {"node": node("noisy")}
    async with watching(source(plant, **tags)) as watch:
        await watch.until(lambda: watch.values("all") == [50.0] and watch.values("percent"))
        for value in (50.5, 52.0):
            plant.set("noisy", value)
        await watch.until(lambda: watch.values("all")[-1] == 52.0 and watch.values("percent")[-1] == 52.0)

    assert watch.values("all") == [50.0, 50.5, 52.0]
    assert watch.values("absolute") == watch.values("percent") == [50.0, 52.0]


async def test_a_server_without_deadbands_sends_every_change(plant):
    """Too much is no harm; the tag is not lost for it."""
    plant.add("plain", 50.0)
    with refusing_items(ua.StatusCodes.BadMonitoredItemFilterUnsupported, "plain", filtered=True):
        async with watching(source(plant, T={"node": node("plain"), "deadband": 1})) as watch:
            await watch.until(lambda: watch.values("T") == [50.0])
            plant.set("plain", 50.5)
            await watch.until(lambda: watch.values("T") == [50.0, 50.5])
            assert alive() == 1


# Items that never send, and values that were lost


async def test_an_item_that_never_sends_is_asked_for_anew(plant, caplog):
    """Accepted, and deaf: no error tells (Azure/Industrial-IoT#1890, telegraf#18628). The tag is named, and not alive."""
    plant.add("deaf", 1)
    plant.add("hearing", 1)
    timing = dataclasses.replace(FAST, first_value=150 * MILLISECOND)
    with caplog.at_level(logging.WARNING, "agent"):
        async with watching(
            source(plant, deaf={"node": node("deaf")}, hearing={"node": node("hearing")}), timing
        ) as watch:
            with forgetting_first_values("deaf"):
                await watch.until(lambda: watch.values("deaf") == [None])
                assert watch.values("hearing") == [1]
                assert alive() == 1
            await watch.until(lambda: watch.values("deaf") == [None, 1])
            assert alive() == 2

    assert (
        f"the server accepted {node('deaf')} and has sent no value for 150ms"
        in watch.readings("deaf")[0].reason
    )
    assert watch.readings("deaf")[1].baseline
    assert any("tag deaf: the server accepted" in record.getMessage() for record in caplog.records)


async def test_a_server_that_is_slow_at_the_start_is_given_the_time_it_takes(plant):
    """An S7 sends the first values of thousands of items one by one: asked anew all the time, it would send none."""
    plant.add("tardy", 1)
    timing = dataclasses.replace(FAST, first_value=150 * MILLISECOND)
    with delaying_first_values(0.5):
        async with watching(source(plant, tardy={"node": node("tardy")}), timing) as watch:
            await watch.until(lambda: watch.values("tardy")[-1:] == [1])

    assert "has sent no value for 150ms" in watch.readings("tardy")[0].reason
    assert watch.readings("tardy")[1].baseline


@pytest.mark.parametrize(
    ("sampling", "queue", "told"),
    [
        (0, 10, []),  # as fast as the value moves
        (100, 4, []),
        (3_600_000, 4, ["every 1h, not every 50ms"]),
        (50, 1, ["keeps 1 of the 4 values of tag revised"]),
    ],
)
async def test_what_the_server_makes_of_an_item_is_told_where_values_get_lost(
    plant, caplog, sampling, queue, told
):
    """Keep-alives keep an hourly value fresh, and a queue of one sets no overflow bit: nothing else would tell."""
    plant.add(f"revised-{sampling}-{queue}", 1)
    config = source(plant, {"publish_every": "200ms"}, revised={"node": node(f"revised-{sampling}-{queue}")})
    with caplog.at_level(logging.WARNING, "agent"), revising_items(sampling, queue):
        async with watching(config) as watch:
            await watch.until(lambda: watch.values("revised") == [1])

    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == len(told)
    assert all(words in warning for words, warning in zip(told, warnings, strict=True))


async def test_values_that_the_server_dropped_are_counted(plant):
    """Each time, for monitoring; the log says it once."""
    plant.add("spilled", 0)
    before = VALUES_LOST.labels("boiler")._value.get()
    async with watching(source(plant, T={"node": node("spilled")})) as watch:
        await watch.until(lambda: watch.values("T") == [0])
        for value in (1, 2):
            plant.set("spilled", value, status=0x480)
            await watch.until(lambda value=value: watch.values("T")[-1] == value)

    assert VALUES_LOST.labels("boiler")._value.get() == before + 2


async def test_a_frozen_source_time_hides_no_change(plant):
    """Freshness and order are the receipt's, never the device's clock (opcua-asyncio#461, iot-edge-opc-plc#403)."""
    plant.add("frozen", 0)
    stamp = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    async with watching(source(plant, T={"node": node("frozen")})) as watch:
        await watch.until(lambda: watch.values("T") == [0])
        for value in (1, 2, 3):
            plant.set("frozen", value, stamp=stamp)
        await watch.until(lambda: watch.values("T") == [0, 1, 2, 3])

    assert len({one.source_time for one in watch.readings("T")[1:]}) == 1
