"""The demo's configuration: three short files that whoever watches is invited to edit.

Rules for whoever changes this file: `agent.yaml` and `sources.yaml` hold this run's ports and are
written at each start; `rules.yaml` is the user's once it exists.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DESTINATION: Final = "receiver"
KEY_FILE: Final = "receiver.key"
_SIGN_IN_FILE: Final = "page.token"

RULES_YAML: Final = """\
# The plant engineer's file. While the demo plays, change a limit, save it, and say
# `edge-relay reload -c` with this folder.
rules:
  R1-temperature:                          # a reactor, over Modbus
    tag: R1.TT101
    high: 170
    high_high: {at: 185, priority: critical}
    deadband: 1%                           # of the tag's range: returns below 167.5
    priority: high
    response: Open CV-101, check the jacket flow
  boiler-steam:                            # a boiler, over OPC UA
    tag: BOILER.STEAM
    high: 12
    deadband: 0.5
    priority: high
    response: Call the boiler attendant
  compressor-current:                      # a compressor, over MQTT
    tag: COMP1.CURRENT
    high: 40
    deadband: 5%
  P101-stopped: {tag: P101.RUN, is: false, priority: low, acknowledge: true}   # stays until somebody has seen it
  TANK1-level: {tag: TANK1.LT, change: {deadband: 10%, at_most_every: 5s}}
"""
"""What the plant's signals cross; the numbers belong to `agent.demo.signals`."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What this run's secrets are.

    Attributes:
        secret: signs the webhooks.
        token: with it the visitor may operate on the page.
    """

    secret: str
    token: str


@dataclass(frozen=True, slots=True)
class Stage:
    """The folder that the demo plays in.

    Attributes:
        directory: the folder.
        page_port: where the agent's page is.
        receiver_port: where the agent delivers to.
    """

    directory: Path
    page_port: int
    receiver_port: int

    @property
    def data_dir(self) -> Path:
        """The agent's store and control socket."""
        return self.directory / "data"

    @property
    def page(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.page_port}/"

    @property
    def token_file(self) -> Path:
        """With what is in it the visitor signs in there."""
        return self.directory / _SIGN_IN_FILE

    @property
    def agent_log(self) -> Path:
        """What the agent writes to its log."""
        return self.directory / "agent.log"

    @property
    def receiver_log(self) -> Path:
        """What the receiver has got, a line an arrival."""
        return self.directory / "received.jsonl"

    @property
    def agent_yaml(self) -> str:
        """Who the agent is, and where its events go."""
        return f"""\
# Written anew at each start of the demo.
agent: {{site: demo, name: line-1, data_dir: {json.dumps(str(self.data_dir))}}}
http: {{listen: "127.0.0.1:{self.page_port}", tokens: {{visitor: "${{file:{_SIGN_IN_FILE}}}"}}}}
destinations:
  {DESTINATION}:
    url: http://127.0.0.1:{self.receiver_port}/events
    signing: {{secret: "${{file:{KEY_FILE}}}"}}
"""

    def write(self, sources_yaml: str, keys: Keys) -> None:
        """Write the configuration; the keys are readable by their owner alone."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        for name, text in ((KEY_FILE, keys.secret), (_SIGN_IN_FILE, keys.token)):
            key_file = self.directory / name
            key_file.touch(mode=0o600)
            key_file.write_text(f"{text}\n")
        (self.directory / "agent.yaml").write_text(self.agent_yaml, encoding="utf-8")
        (self.directory / "sources.yaml").write_text(sources_yaml, encoding="utf-8")
        rules = self.directory / "rules.yaml"
        if not rules.exists():
            rules.write_text(RULES_YAML, encoding="utf-8")
