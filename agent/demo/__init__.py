"""A plant, a receiver and a play: the whole way on one machine, without a PLC, a broker or the cloud.

Rules for whoever changes this package: nothing of the agent itself imports it; it meets the agent
only over the network, the files of a configuration and the control socket, as a plant and a cloud
do. It prints nothing: who plays it hands in where lines go.
"""

from agent.errors import EdgeRelayError


class DemoError(EdgeRelayError):
    """The demo, the plant or the receiver cannot go on; the person at the terminal can mend it."""
