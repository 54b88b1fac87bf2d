"""What the commands of the commissioning day see of an OPC UA server, and all that they ask of it."""

import asyncio
import contextlib
import itertools
import logging
from collections import Counter
from uuid import UUID

import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import ServiceError
from asyncua.server.internal_session import InternalSession
from asyncua.server.uaprocessor import UaProcessor
from rigs.census import census, settled
from rigs.node_opcua import NodeOpcua
from rigs.opcua_server import NAMESPACE
from rigs.opcua_session import configure

from agent.clock import SystemClock
from agent.errors import SourceError
from agent.model import Quality
from agent.sources.exploring import Expected, MistypedError, Scope
from agent.sources.opcua import explore, explore_space
from agent.sources.opcua.resolving import resolve

CLOCK = SystemClock()
OWN = f"nsu={NAMESPACE};s="
SESSION = {"GetEndpoints", "CreateSession", "ActivateSession", "CloseSession", "CloseSecureChannel"}
READING = {"Read", "Browse", "BrowseNext", "TranslateBrowsePathsToNodeIds"}
numbers = itertools.count()


def anything(url: str, **more: object):
    """A source that is walked; its one tag is not asked for."""
    return configure(url, "any", **more)


async def all_of(iterator):
    return [one async for one in iterator]


def look(config, *tags: str):
    return explore.look("boiler", config, CLOCK, tags or tuple(config.tags))


def browse(config, start: str = "", **scope: object):
    return explore.browse("boiler", config, CLOCK, Scope(start=start, **scope))


def probe(config, place: str, expect: Expected | None = None):
    return explore.probe("boiler", config, CLOCK, place, expect)


@pytest.fixture
def asked(monkeypatch):
    """Every service that is asked of the server, how often."""
    counted: Counter[str] = Counter()
    process = UaProcessor._process_message

    async def counting(processor, typeid, *rest):
        counted[ua.ObjectIdNames[typeid.Identifier].partition("Request")[0]] += 1
        return await process(processor, typeid, *rest)

    monkeypatch.setattr(UaProcessor, "_process_message", counting)
    return counted


class Plant:
    """A corner of the server of its own: a boiler with all that a server may show."""

    def __init__(self, server) -> None:
        self.server, self.index = server.server, server.index
        self.name = f"Boiler{next(numbers)}"
        self.start = f"{OWN}{self.name}"
        self.path = f"Objects/{self.name}"

    async def add(self, parent, name: str, value, variant=None, *, identifier=None):
        node = ua.NodeId(identifier or f"{self.name}.{name}", self.index)
        return await parent.add_variable(node, f"{self.index}:{name}", ua.Variant(value, variant))

    async def build(self) -> None:
        add, index = self.add, self.index
        boiler = await self.server.nodes.objects.add_object(
            ua.NodeId(self.name, index), f"{index}:{self.name}"
        )
        steam = await boiler.add_object(ua.NodeId(f"{self.name}.Steam", index), f"{index}:Steam line")
        pressure = await add(steam, "Pressure", 21.4998)
        await pressure.add_property(0, "EURange", ua.Range(0, 25))
        unit = ua.EUInformation("http://www.opcfoundation.org/UA/units/un/cefact", 1, ua.LocalizedText("bar"))
        await pressure.add_property(0, "EngineeringUnits", unit)
        await pressure.set_writable()
        about = ua.DataValue(ua.Variant(ua.LocalizedText("before the valve")))
        await pressure.write_attribute(ua.AttributeIds.Description, about)
        await add(boiler, "Levels", [1.5, 2.5, 21.5])
        await add(boiler, "Matrix", [[1, 2], [3, 4]])
        await add(boiler, "Limits", ua.Range(1, 2))
        await add(boiler, "Pressure", 1, ua.VariantType.Int16, identifier=f"{self.name};100%")
        await add(boiler, "State", True, identifier=b"\x00\xff" + self.name.encode())
        await add(boiler, "Batch", "B7", identifier=UUID(int=next(numbers) + 1))
        await add(boiler, "2nd valve", 0.0)
        await add(boiler, "Level!", 3.0)
        await add(boiler, "Level?", 4.0)
        await boiler.add_property(index, "SerialNumber", "A-1")
        await steam.add_reference(boiler, ua.ObjectIds.Organizes)  # round in a circle
        await boiler.add_reference(pressure, ua.ObjectIds.Organizes)  # and the same by another way


@pytest.fixture
def boiler(plant):
    corner = Plant(plant)
    plant.call(corner.build())
    return corner


@pytest.fixture(scope="module")
def hundreds(plant):
    """A folder of 600 variables; their node ids begin with `hundreds.`."""

    async def build():
        folder = await plant.server.nodes.objects.add_object(ua.NodeId("hundreds", plant.index), "hundreds")
        for at in range(600):
            await folder.add_variable(ua.NodeId(f"hundreds.{at}", plant.index), f"v{at}", at)

    plant.call(build())
    return f"{OWN}hundreds"


# read


async def test_tags_are_looked_at_once_each_with_its_quality(plant, asked):
    """telegraf#8871, #10849: what one node refuses is bad alone; place, raw value and latency stand beside."""
    plant.add("looked", 21.5)
    plant.add("doubted", 42.0)
    plant.add("broken", 1.0)
    plant.add("row", [1.5, 2.5])
    plant.set("doubted", 42.0, status=ua.StatusCodes.UncertainLastUsableValue)
    plant.set("broken", 1.0, status=ua.StatusCodes.BadSensorFailure)
    config = configure(plant.url, "looked", "doubted", "broken", "row", "nowhere", "nsu=urn:gone;s=x")
    config = config.model_copy(
        update={"tags": config.tags | {"second": config.tags["row"].model_copy(update={"index": 1})}}
    )

    looks = {one.reading.tag: one for one in await all_of(look(config))}

    good = looks["looked"]
    assert (good.reading.value, good.reading.quality) == (21.5, Quality.GOOD)
    assert (good.place, good.raw) == (f"{OWN}looked", "Double 21.5 Good")
    assert 0 < good.latency < 5e9
    doubted = looks["doubted"]
    assert (doubted.reading.value, doubted.reading.quality) == (42.0, Quality.UNCERTAIN)
    assert doubted.raw == "Double 42.0 UncertainLastUsableValue"
    assert (looks["second"].reading.value, looks["second"].place) == (2.5, f"{OWN}row[1]")
    reasons = {tag: one.reading.reason for tag, one in looks.items() if one.reading.quality is Quality.BAD}
    assert reasons.pop("broken").startswith("BadSensorFailure")
    assert "an array" in reasons.pop("row")
    assert reasons.pop("nowhere").startswith("BadNodeIdUnknown")
    assert "the server has no namespace urn:gone" in reasons.pop("nsu=urn:gone;s=x")
    assert reasons == {}
    assert asked.keys() <= SESSION | READING


async def test_only_the_tags_that_are_asked_for_are_read(plant):
    """`read looked` asks for one value."""
    plant.add("asked for", 1.0)
    (one,) = await all_of(look(configure(plant.url, "asked for", "nowhere"), "asked for"))
    assert one.reading.value == 1.0


# browse


async def test_a_server_is_walked(plant, boiler):
    """Variables by the path on which they stand, each once though there are two ways, with what describes them."""
    found = await all_of(browse(anything(plant.url), boiler.path))

    name = boiler.name
    own = {one.name.removeprefix(f"{name}."): one for one in found}
    assert len(own) == len(found)
    node = f"{OWN}{name}."
    assert {key: (one.type, one.value, one.place) for key, one in own.items()} == {
        "Levels": ("Double[3]", None, f"{node}Levels"),
        "Matrix": ("Int64[2,2]", None, f"{node}Matrix"),
        "Limits": ("Range", None, f"{node}Limits"),
        "Pressure": ("Int16", 1, f"{OWN}{name};100%"),
        "State": ("Boolean", True, own["State"].place),
        "Batch": ("String", "B7", own["Batch"].place),
        "2nd_valve": ("Double", 0.0, f"{node}2nd valve"),
        "Level": ("Double", 3.0, f"{node}Level!"),
        "Level_2": ("Double", 4.0, f"{node}Level?"),
        "SerialNumber": ("String", "A-1", own["SerialNumber"].place),
        "Pressure_2": ("Double", 21.4998, f"{node}Pressure"),
    }
    assert own["Pressure_2"].tag == {"node": f"{node}Pressure", "unit": "bar", "range": [0.0, 25.0]}
    assert own["Pressure_2"].note == "0 to 25 bar; writable; before the valve"
    assert own["Batch"].note == ""  # its description is its name
    assert "of which a tag names one element by its `index`: [1.5, 2.5, 21.5]" in own["Levels"].note
    assert "a structure (Range)" in own["Limits"].note
    assert {key for key, one in own.items() if not one.tag} == {"Levels", "Matrix", "Limits"}


async def test_what_is_found_can_be_read_as_it_is_written(plant, boiler):
    """node-red-contrib-opcua#478: every kind of node id, with its namespace by name, is a tag that reads."""
    found = [one for one in await all_of(browse(anything(plant.url), boiler.start)) if one.tag]
    assert all(str(one.tag["node"]).startswith(f"nsu={NAMESPACE};") for one in found)
    assert {str(one.tag["node"]).rpartition(";")[2][0] for one in found} >= {"s", "b", "g", "i"} - {"s"}
    config = anything(plant.url)
    tags = {one.name: dict(one.tag) for one in found}
    config = type(config).model_validate(
        {"type": "opcua", "url": plant.url, "security": "none", "tags": tags}
    )

    looks = {one.reading.tag: one.reading.value for one in await all_of(look(config))}

    assert looks == {one.name: one.value for one in found}


@pytest.mark.parametrize(
    ("depth", "names"), [(0, set()), (1, {"Pressure", "Level"}), (None, {"Pressure", "Level", "Steam_line"})]
)
async def test_the_walk_ends_at_a_depth(plant, boiler, depth, names):
    """`--depth 1`: what stands right below the start."""
    found = await all_of(browse(anything(plant.url), boiler.start, depth=depth))
    seen = {one.name.split(".")[1] for one in found}
    assert seen & {"Pressure", "Level", "Steam_line"} == (names - {"Steam_line"})
    assert bool(seen) == bool(names)


async def test_a_folder_of_hundreds_comes_while_it_is_walked(plant, hundreds, asked):
    """The first ones are told before the last are asked for; each is told once; the limit holds."""
    config = anything(plant.url)
    async with contextlib.aclosing(browse(config, hundreds)) as walk:
        first = await anext(walk)
        before = asked["Read"]
        rest = await all_of(walk)

    assert before < asked["Read"] / 2
    assert {one.value for one in (first, *rest)} == set(range(600))
    assert len({one.name for one in (first, *rest)}) == 600

    asked.clear()
    few = await all_of(browse(config, hundreds, limit=60))
    assert len(few) == 60
    assert asked["Read"] < 12


async def test_a_walk_that_has_enough_looks_into_nothing_more(plant, boiler, asked, monkeypatch):
    """Only into the variable that it tells, for its unit and range; not into the object that came before it."""
    monkeypatch.setattr(explore, "_AT_ONCE", 1)
    (one,) = await all_of(browse(anything(plant.url), boiler.start, limit=1))

    assert one.name == f"{boiler.name}.Levels"
    assert asked["Browse"] == 2


async def test_no_request_is_larger_than_the_server_allows(plant, hundreds, monkeypatch):
    """telegraf#19609: limits that are named are kept, and one that is not named is found out."""
    sizes: dict[str, list[int]] = {"read": [], "browse": []}
    read, look_into = InternalSession.read, InternalSession.browse

    async def limited_read(session, parameters):
        sizes["read"].append(len(parameters.NodesToRead))
        if len(parameters.NodesToRead) > 40:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        return await read(session, parameters)

    async def limited_browse(session, parameters):
        sizes["browse"].append(len(parameters.NodesToBrowse))
        if len(parameters.NodesToBrowse) > 7:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        return await look_into(session, parameters)

    monkeypatch.setattr(InternalSession, "read", limited_read)
    monkeypatch.setattr(InternalSession, "browse", limited_browse)
    limits = ua.ObjectIds
    reads = limits.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead
    browses = limits.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse
    config = anything(plant.url)
    plant.write_node(reads, 40, ua.VariantType.UInt32)
    plant.write_node(browses, 7, ua.VariantType.UInt32)
    try:
        named = await all_of(browse(config, hundreds, limit=100))
        assert (max(sizes["read"]), max(sizes["browse"])) == (40, 7)
    finally:
        plant.write_node(reads, 0, ua.VariantType.UInt32)
        plant.write_node(browses, 0, ua.VariantType.UInt32)
    unnamed = await all_of(browse(config, hundreds, limit=100))

    assert [one.value for one in named] == [one.value for one in unnamed] == list(range(100))


async def test_a_server_short_of_continuation_points_is_asked_again(plant, boiler, monkeypatch):
    """Nodes for whose references it has no continuation point are looked into one by one."""
    look_into = InternalSession.browse

    async def short(session, parameters):
        results = await look_into(session, parameters)
        for result in results[1:]:
            if result.References:
                result.References, result.StatusCode = (
                    [],
                    ua.StatusCode(ua.StatusCodes.BadNoContinuationPoints),
                )
        return results

    config = anything(plant.url)
    expected = await all_of(browse(config, boiler.start))
    monkeypatch.setattr(InternalSession, "browse", short)

    assert await all_of(browse(config, boiler.start)) == expected


async def test_the_server_does_not_tell_of_itself_unless_it_is_asked(plant, boiler):
    """Its own diagnostics, hundreds of nodes, are no plant; named as the start they are shown."""
    everything = await all_of(browse(anything(plant.url)))
    assert not any(one.name.startswith("Server.") for one in everything)
    assert any(one.name.startswith(f"{boiler.name}.") for one in everything)

    itself = await all_of(browse(anything(plant.url), "i=2256"))
    assert {"ServerStatus.State", "ServerStatus.CurrentTime"} <= {one.name for one in itself}
    assert {one.place for one in itself if one.name == "ServerStatus.State"} == {"i=2259"}


# probe


async def test_a_node_is_tried_out_in_any_form_of_its_name(plant, boiler):
    """ns= is answered with nsu=, a path with the node; what the display shows, rounded, is marked."""
    config = anything(plant.url)
    node = f"{boiler.name}.Pressure"
    places = (f"ns={boiler.index};s={node}", f"{OWN}{node}", f"{boiler.path}/Steam line/Pressure")
    for place in places:
        (found,) = await all_of(probe(config, place, Expected(21.5, 0.05)))
        assert (found.value, found.matches) == (21.4998, True)
        assert found.tag == {"node": f"{OWN}{node}", "unit": "bar", "range": [0.0, 25.0]}

    (found,) = await all_of(probe(config, places[0], Expected(21.5)))
    assert not found.matches


async def test_an_array_is_tried_out_element_by_element(plant, boiler):
    """Each with the index by which a tag names it."""
    node = f"{OWN}{boiler.name}.Levels"
    array, *elements = await all_of(probe(anything(plant.url), node, Expected(21.5)))

    assert (array.place, array.tag, array.matches) == (node, {}, False)
    assert [(one.place, one.value, one.matches) for one in elements] == [
        (f"{node}[0]", 1.5, False),
        (f"{node}[1]", 2.5, False),
        (f"{node}[2]", 21.5, True),
    ]
    assert elements[2].tag == {"node": node, "index": 2}


async def test_an_object_is_tried_out_by_its_variables(plant, boiler):
    """What stands right below it, and no deeper."""
    found = await all_of(probe(anything(plant.url), boiler.start, Expected("B7")))

    assert [one.name for one in found if one.matches] == [f"{boiler.name}.Batch"]
    assert not any("Steam_line" in one.name for one in found)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("ns=2;s=nowhere", "ns=2;s=nowhere: BadNodeIdUnknown: "),
        ("nsu=urn:gone;s=x", "the server has no namespace urn:gone"),
        ("Objects/Nowhere", "below Objects there is no Nowhere"),
        ("Steam.Pressure", "expected a path of browse names"),
        ("ns=x;s=Steam", "expected a node id"),
    ],
)
async def test_a_place_that_is_not_there_is_said_so(plant, place, why):
    """For browse and probe alike, with the forms that are understood."""
    for search in (probe(anything(plant.url), place), browse(anything(plant.url), place)):
        with pytest.raises((SourceError, MistypedError), match=why):
            await all_of(search)


@pytest.mark.parametrize(
    "node",
    [
        ua.NodeId("Steam;Pressure=1%", 1),
        ua.NodeId(7, 2),
        ua.NodeId(2258),
        ua.NodeId(UUID(int=5), 1),
        ua.NodeId(b"\x00\xff;", 2),
        ua.NodeId("beyond", 9),
    ],
    ids=str,
)
def test_a_node_id_is_read_as_it_is_written(node):
    """Also with a namespace that has the characters between which it stands."""
    namespaces = ["http://opcfoundation.org/UA/", "urn:a;b=1%3B", "urn:plant"]
    written = explore_space.write_node(node, namespaces)

    assert resolve(written, namespaces) == node
    assert ("ns=" in written) == (node.NamespaceIndex == 9)


# What is asked of the server, and what is left there


async def test_nothing_but_reading_is_ever_asked(plant, boiler, asked):
    """No Write, no Call, no subscription: the server's own count of the services says so."""
    config = configure(plant.url, f"{boiler.name}.Pressure")
    await all_of(look(config))
    await all_of(browse(config))
    await all_of(probe(config, boiler.start, Expected(1)))

    assert asked.keys() <= SESSION | READING
    assert asked["Read"]
    assert asked["Browse"]


async def test_a_secured_server_with_a_user_is_walked(plant, boiler, tmp_path, asked):
    """Security and user are those of the source; so is the refusal."""
    security = {"server_certificate": str(plant.certificate), "pki": str(tmp_path)}
    with plant.wanting_user():
        config = anything(plant.url, security=security, user="relay", password="right")
        assert await all_of(browse(config, boiler.start))
        with pytest.raises(SourceError, match="refuses"):
            await all_of(browse(anything(plant.url, security=security), boiler.start))

    assert asked.keys() <= SESSION | READING


async def test_the_keys_are_renewed_on_a_long_walk(plant, hundreds, monkeypatch):
    """A walk of an hour outlives the lifetime of its channel's keys; it has no task beside it for that."""
    renewals: list[bool] = []
    opened = Client.open_secure_channel

    async def counting(client, renew=False):  # noqa: FBT002 - as it is
        renewals.append(renew)
        await opened(client, renew)

    monkeypatch.setattr(Client, "open_secure_channel", counting)
    await all_of(browse(anything(plant.url), hundreds, limit=120))
    assert renewals.count(True) == 0
    monkeypatch.setattr(explore_space, "RENEW_AT", 0.0)
    found = await all_of(browse(anything(plant.url), hundreds, limit=120))

    assert renewals.count(True) > 3
    assert len(found) == 120


async def test_whatever_ends_it_nothing_is_left(plant, hundreds, free_port):
    """A caller that stops, one that is cancelled, a server that dies: no session, socket or task stays."""
    logging.getLogger("asyncua.server").setLevel(logging.CRITICAL)
    config = anything(plant.url)
    await all_of(browse(config, hundreds, limit=1))
    before = census()

    async with contextlib.aclosing(browse(config, hundreds)) as walk:
        await anext(walk)
    waiting = asyncio.create_task(all_of(browse(config, hundreds)))
    while not plant.sessions:
        await asyncio.sleep(0.001)
    waiting.cancel()
    await asyncio.wait([waiting])
    async with contextlib.aclosing(browse(config, hundreds)) as walk:
        await anext(walk)
        plant.stop()
        try:
            with pytest.raises(SourceError, match="closed the connection"):
                await all_of(walk)
        finally:
            plant.restart()
    with pytest.raises(SourceError, match="nothing answers"):
        await all_of(look(configure(f"opc.tcp://127.0.0.1:{free_port()}", "x")))

    assert plant.sessions == 0
    await settled(before)


async def test_a_server_of_another_make_is_walked_in_pages(tmp_path, monkeypatch):
    """node-opcua pages what it is asked in small portions; a walk that ends early gives its points back."""
    with NodeOpcua(tmp_path) as server:
        config = anything(server.url)
        whole = await all_of(browse(config, "Objects/Boiler"))
        assert "BrowseNext" not in server.requests
        monkeypatch.setattr(explore_space, "REFERENCES", 3)
        paged = await all_of(browse(config, "Objects/Boiler"))
        pages = server.requests["BrowseNext"]
        await all_of(browse(config, "Objects/Boiler", limit=1))
        given_back = server.requests["BrowseNext"] - pages  # one request releases them
        services = server.requests.keys()

    assert paged == whole
    (pressure,) = [one for one in whole if one.place.endswith("s=Pressure")]
    assert pressure.tag == {"node": "nsu=urn:plant:boiler;s=Pressure", "unit": "bar", "range": [0.0, 16.0]}
    assert {one.type for one in whole} >= {"Double[3]", "Int16[2,3]", "BoilerState", "Range", "UInt64"}
    assert pages >= 6
    assert given_back == 1
    assert services <= SESSION | READING | {"OpenSecureChannel"}
