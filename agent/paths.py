"""The names of the files in an agent's data directory."""

from typing import Final

STORE: Final = "events.db"
ALIVE: Final = "alive"
SAMPLES: Final = "samples.db"
CONTROL_SOCKET: Final = "control.sock"
STACKS: Final = "stacks.txt"
