"""Whatever a network does to the messages of an edge node: never a wrong value, and all is well after a rebirth.

A plant changes, an edge node tells it, messages are lost, come in another order and from earlier sessions.
Every value holds which metric it is of and which change it was, so that one under a wrong alias, and one that
comes back after a newer one, are seen.

What no host can tell is left out: that all births of a rebirth were lost, and that the number of the message
behind them is by chance the one that was expected (`reject`).
"""

from collections import deque

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from rigs.sparkplug_edge import INT64, NODE, EdgeNode
from rigs.sparkplug_host import Host

from agent.codec.sparkplug import decode
from agent.model import Quality

METRICS = [(NODE, "a"), (NODE, "b"), ("D1", "a"), ("D1", "c"), ("D2", "a"), ("D2", "d")]
TAGS = {
    f"{device}.{name}": {"device": f"Plant1/Edge1/{device}".rstrip("/"), "metric": name}
    for device, name in METRICS
}
KEYS = dict(zip(TAGS, METRICS, strict=True))
OF = 1_000_000

fates = st.sampled_from(["comes"] * 6 + ["lost", "late", "late", "twice"])
steps = st.one_of(
    st.tuples(st.just("data"), st.integers(0, len(METRICS) - 1), fates),
    st.tuples(st.just("data"), st.integers(0, len(METRICS) - 1), fates),
    st.tuples(st.sampled_from(["history", "device"]), st.integers(0, len(METRICS) - 1), fates),
    st.tuples(st.sampled_from(["rebirth", "restart", "old death"]), st.integers(0, 5), fates),
    st.tuples(st.just("wait"), st.integers(1, 14), st.just("comes")),
)


class World:
    """The plant, its edge node, the network, and the agent that hears what comes through."""

    def __init__(self, with_aliases):
        plant = {device: {} for device, _ in METRICS}
        for at, (device, name) in enumerate(METRICS):
            plant[device][name] = (INT64, at * OF)
        self.edge = EdgeNode(plant)
        self.edge.with_aliases = with_aliases
        self.host = Host(TAGS)
        self.late = deque()
        self.copies = []
        self.newest = dict.fromkeys(TAGS, -1)
        self.changes = 0
        self.looked_at = 0
        self.born_at = [0]
        [node] = self.host.decoder._nodes.values()
        follow = node._follow

        def followed(sent):
            """Sort out what nobody can tell: data whose births were lost, with the number that was expected."""
            if self.births_before(sent.payload.stamp) > self.births_before(node._order._born):
                reject()
            return follow(sent)

        node._follow = followed

    def births_before(self, stamp):
        return sum(born <= stamp for born in self.born_at)

    def step(self, what, number, fate):
        device, name = METRICS[number % len(METRICS)]
        match what:
            case "wait":
                self.deliver_late()
                self.host.wait(number / 2)
            case "data":
                self.changes += 1
                self.send([self.edge.data(device, {name: number * OF + self.changes})], fate)
            case "history":
                self.send([self.edge.data(device, {name: number * OF}, is_historical=True)], fate)
            case "device" if device:
                self.send([self.edge.ddeath(device), self.edge.dbirth(device)], fate)
            case "rebirth":
                self.born_at.append(self.edge.stamp + 1)
                self.send(self.edge.births(), fate)
            case "restart":
                self.host.hear(self.edge.ndeath())  # QoS 1: it comes
                self.edge.number_anew(number)
                self.born_at.append(self.edge.stamp + 1)
                self.send(self.edge.connect_anew(), fate)
            case "old death":
                bdseq, self.edge.bdseq = self.edge.bdseq, (self.edge.bdseq - 1) % 256
                self.host.hear(self.edge.ndeath())
                self.edge.bdseq = bdseq
        self.look()

    def send(self, messages, fate):
        """Only the first of several has another fate; a topic keeps its order, as every broker does."""
        for at, message in enumerate(messages):
            if at == 0 and fate == "lost":
                continue
            if fate == "twice":
                self.copies.append(message)
            if (at == 0 and fate == "late") or any(message[0] == topic for topic, _ in self.late):
                self.late.append(message)
            else:
                self.host.hear(message)
        if fate == "comes":
            self.deliver_late()

    def deliver_late(self):
        while self.late:
            self.host.hear(self.late.popleft())
        while self.copies:
            self.host.hear(self.copies.pop())

    def look(self):
        """No reading may be of another metric, of no change that there was, or older than one before it."""
        for one in self.host.seen[self.looked_at :]:
            if one.quality is Quality.BAD:
                assert one.value is None
                continue
            number, change = divmod(one.value, OF)
            assert METRICS[number] == KEYS[one.tag], f"{one.tag} got a value of {METRICS[number]}"
            assert change <= self.changes
            if one.late:
                continue
            assert change >= self.newest[one.tag], f"{one.tag} went back"
            self.newest[one.tag] = change
        self.looked_at = len(self.host.seen)

    @property
    def truth(self):
        return {tag: self.edge.metrics[device][name][1] for tag, (device, name) in KEYS.items()}


@settings(max_examples=150)
@given(st.booleans(), st.lists(steps, max_size=40))
def test_whatever_the_network_does_no_value_is_wrong(with_aliases, script):
    """Each value is of its metric and none goes back; what is still good after a while is what holds."""
    world = World(with_aliases)
    for what, number, fate in [("rebirth", 0, "comes"), *script]:
        world.step(what, number, fate)

    world.deliver_late()
    world.step("data", 0, "comes")
    world.host.wait(10)
    world.look()
    held = {tag: value for tag, value in world.host.values.items() if value is not None}
    assert held == {tag: world.truth[tag] for tag in held}

    world.step("rebirth", 0, "comes")
    assert world.host.values == world.truth
    assert not world.host.reasons


@settings(max_examples=50)
@given(st.lists(steps, max_size=25))
def test_a_loss_is_always_mended_by_the_rebirth_that_is_asked_for(script):
    """An edge node that answers requests, and a network that has become good: all holds again by itself."""
    world = World(with_aliases=True)
    for what, number, fate in script:
        world.step(what, number, fate)
    world.deliver_late()
    world.step("data", 0, "comes")

    for _ in range(40):
        asked = len(world.host.asked)
        world.host.wait(10)
        if len(world.host.asked) > asked:
            world.step("rebirth", 0, "comes")

    assert world.host.values == world.truth


def test_the_properties_see_a_wrong_value():
    """A world in which aliases were believed after a loss: the look at it fails."""
    world = World(with_aliases=True)
    world.step("rebirth", 0, "comes")
    world.host.seen.append(world.host.board["D1.a"]._replace(tag="D1.c"))

    with pytest.raises(AssertionError, match=r"D1\.c got a value of \('D1', 'a'\)"):
        world.look()


def test_a_message_counts_its_birth():
    """The reference model's own arithmetic: the stamps of messages lie behind those of their births."""
    world = World(with_aliases=True)
    world.step("rebirth", 0, "comes")
    stamp = decode(world.edge.data(NODE, {"a": 1})[1]).stamp

    assert world.births_before(stamp) == 2
