"""What a client tells a NATS server of itself, and what proves it.

Rules for whoever changes this: pure; a key never leaves it, only what was signed with it.
"""

from collections.abc import Mapping

from agent import __version__
from agent.codec.nkeys import credentials, user_key
from agent.model import Json
from agent.nats.servers import NatsSection


def login(config: NatsSection, facts: Mapping[str, Json]) -> dict[str, Json]:
    """Who we are, and what proves it."""
    told: dict[str, Json] = {
        "verbose": False,
        "pedantic": False,
        "tls_required": False,
        "lang": "edge-relay",
        "version": __version__,
        "protocol": 1,
        "echo": False,
        "headers": True,
        "no_responders": True,
    }
    nonce = str(facts.get("nonce", ""))
    if config.user and config.password:
        told |= {"user": config.user, "pass": config.password.reveal()}
    if config.token:
        told["auth_token"] = config.token.reveal()
    if config.nkey:
        key = user_key(config.nkey.reveal())
        told |= {"nkey": key.public, "sig": key.sign(nonce)}
    if config.credentials:
        token, key = credentials(config.credentials.reveal())
        told |= {"jwt": token, "sig": key.sign(nonce)}
    return told
