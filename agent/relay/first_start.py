"""The first start: the relay's file and a channel's tokens are written, and what to do next is said.

Rules for whoever changes this: nothing is overwritten; a token goes into a file that its owner alone may read
and is never shown; what is said can be pasted.
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.config.listening import Listen, is_loopback

_OWNER: Final = 0o600
_ALL_READ: Final = 0o644
_TOKEN_BYTES: Final = 32
_YOUR_HOST: Final = "relay.example.com"
_FILE: Final = """\
# The relay, see `edge-relay relay --help`. `edge-relay relay --check {name}` checks this file.
relay:
  listen: {listen}
{access}  data_dir: {data_dir}
  max_size: 1GB            # of all messages on disk
  monitor: 127.0.0.1:8472  # /health and /metrics

channels:
  {channel}:
    post_token: ${{file:{channel}.post-token}}  # what senders show; none: anyone may post
    poll_token: ${{file:{channel}.poll-token}}  # what the plant shows
    max_body: 1MB
    rate: {{messages: 100, per: 1s}}
    keep: 30d
    max_size: 200MB
"""
_INBOUND: Final = """\
inbound:
  {channel}:
    type: poll
    url: {url}
    token: ${{file:secrets/{channel}.poll-token}}
    verify: {{scheme: standard, secret: "${{file:secrets/{channel}.sender-secret}}"}}  # fill in: the sender's own secret, whsec_...
    routes:
      orders:
        type: order.*
        forward: {{url: "http://127.0.0.1:8080/orders"}}
"""


@dataclass(frozen=True, slots=True)
class Access:
    """How the relay is reached.

    Attributes:
        listen: the address that it listens on.
        certificate, key: its own, as they are to be written; None: it has none.
        behind_proxy: a proxy speaks TLS for it.
        url: how senders and plants reach it, where that is known; empty: it is not.
    """

    listen: Listen
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False
    url: str = ""

    @property
    def base(self) -> str:
        """The address for senders and plants, without a path; a host of examples where it is not known."""
        if self.url:
            return self.url.rstrip("/")
        if self.behind_proxy:
            return f"https://{_YOUR_HOST}"
        anywhere = self.listen.host in ("0.0.0.0", "::")  # noqa: S104 - asked, not opened
        where = f"{_YOUR_HOST}:{self.listen.port}" if anywhere else str(self.listen)
        return f"{'http' if self.certificate is None else 'https'}://{where}"

    def lines(self) -> str:
        """What the file says of it beside `listen`."""
        if self.certificate is not None:
            return f"  tls: {{certificate: {_quoted(self.certificate)}, key: {_quoted(self.key)}}}\n"
        if self.behind_proxy:
            return "  behind_proxy: true      # a proxy before it speaks TLS\n"
        return ""


@dataclass(frozen=True, slots=True)
class Welcome:
    """What to do next with a channel.

    Attributes:
        post_url: for the sender.
        poll_url: for the plant.
        post_token_file, poll_token_file: where the tokens are.
        inbound: for the agent's configuration.
    """

    channel: str
    post_url: str
    poll_url: str
    post_token_file: str
    poll_token_file: str
    inbound: str

    def text(self, file: Path, *, reachable: bool) -> str:
        """The same for a person."""
        curl = (
            f'curl -d \'{{"type": "order.created"}}\' -H "Authorization: Bearer $(cat {self.post_token_file})" '
            f"{self.post_url}"
        )
        hint = (
            ""
            if reachable
            else (
                f"\nOnly this machine reaches it now: put a proxy with TLS before it, or give {file.name} `listen` and `tls`.\n"
            )
        )
        return (
            f"{file}, {self.post_token_file} and {self.poll_token_file} are written.\n{hint}\n"
            f"The sender posts to   {self.post_url}\n"
            f"with the header       Authorization: Bearer <what is in {Path(self.post_token_file).name}>\n"
            f"or, if it cannot set  {self.post_url}?token=<what is in {Path(self.post_token_file).name}>\n"
            f"\nTry it:\n  {curl}\n"
            f"\nIn the plant: copy {self.poll_token_file} to secrets/ beside the agent's configuration (a service: as a credential, see its unit), and add there:\n\n"
            f"{self.inbound}\n"
            "It forwards nothing before `verify` has the sender's own secret: then `edge-relay run`.\n"
        )


def write_first(file: Path, channel: str, data_dir: Path | None, access: Access) -> Welcome:
    """Write the relay's file with one channel, and the tokens beside it; what is there of them is kept.

    Raises:
        OSError: one cannot be written; without a reason of the system: the relay's file is there already.
    """
    folder = file.parent
    folder.mkdir(parents=True, exist_ok=True)
    for name in (_token_file(folder, channel, "post"), _token_file(folder, channel, "poll")):
        if not name.exists():
            _write(name, secrets.token_urlsafe(_TOKEN_BYTES) + "\n", _OWNER)
    text = _FILE.format(
        name=file.name,
        listen=access.listen,
        access=access.lines(),
        data_dir="relay-data" if data_dir is None else _quoted(data_dir.absolute()),
        channel=channel,
    )
    _write(file, text, _ALL_READ)
    poll_url = f"{access.base}/out/{channel}"
    return Welcome(
        channel,
        f"{access.base}/in/{channel}",
        poll_url,
        str(_token_file(folder, channel, "post")),
        str(_token_file(folder, channel, "poll")),
        _INBOUND.format(channel=channel, url=poll_url),
    )


def is_reachable(access: Access) -> bool:
    """Whether other machines reach it, as far as we can know."""
    return access.behind_proxy or bool(access.url) or not is_loopback(access.listen)


def _quoted(path: Path | None) -> str:
    return json.dumps(str(path), ensure_ascii=False)  # a text of YAML as well


def _token_file(folder: Path, channel: str, side: str) -> Path:
    return folder / f"{channel}.{side}-token"


def _write(path: Path, text: str, mode: int) -> None:
    """Write a new file whole, on disk and with its mode, or none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
