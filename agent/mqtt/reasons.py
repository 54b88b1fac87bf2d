"""What is told when a broker cannot be reached, refuses, or goes away: cause and remedy.

Rules for whoever changes this file: pure functions; every text names the broker and what a plant
engineer can do; no text holds a password (a user's name it may).
"""

import socket
import ssl
from collections.abc import Sequence

from paho.mqtt.reasoncodes import ReasonCode

from agent.model import SECOND
from agent.mqtt.broker import BrokerSection


def not_connected(config: BrokerSection, error: OSError | UnicodeError) -> str:
    """Say why there is no connection."""
    match error:
        case ssl.SSLCertVerificationError():
            why = f"its certificate is refused: {_untrusted(config, error)}"
        case ssl.SSLError():
            why = f"no TLS connection ({_openssl(error)}): {_tls_remedy(str(error))}"
        case ConnectionResetError() if config.url.tls:
            why = f"no TLS connection (connection reset): {_tls_remedy('')}"
        case socket.gaierror() | UnicodeError():
            why = f"the name {config.url.host} is not found: check url, and the machine's DNS"
        case TimeoutError():
            why = (
                f"no answer within {config.timeout / SECOND:g} s: check address and port, "
                f"that the broker is running, and the firewalls between"
            )
        case ConnectionRefusedError():
            why = "connection refused: check that the broker is running, and the port in url"
        case _:
            why = f"no connection ({error.strerror or error}): check network, address and port"
    return f"MQTT broker {config.url}: {why}"


def _untrusted(config: BrokerSection, error: ssl.SSLCertVerificationError) -> str:
    cause = error.verify_message
    if "match" in cause.lower():
        return f"{cause}: write url with a name that the certificate holds"
    if "expired" in cause or "not yet valid" in cause:
        return f"{cause}: renew it at the broker, and check the clock of this machine"
    ca = config.tls.ca if config.tls else None
    trusted = f"the authority in {ca} (tls: ca:)" if ca else "none of the system's authorities"
    remedy = (
        "name the PEM file of the one that did"
        if ca
        else "name the PEM file of its authority as tls: {ca: FILE}"
    )
    return f"{cause}: {'not signed by ' if ca else 'signed by '}{trusted}: {remedy}"


def _openssl(error: ssl.SSLError) -> str:
    return (error.reason or error.strerror or str(error)).lower().replace("_", " ")


def _tls_remedy(text: str) -> str:
    """Read OpenSSL's words; an alert is what the broker said, everything else what we noticed."""
    text = text.upper()
    if "CERTIFICATE_REQUIRED" in text or "HANDSHAKE_FAILURE" in text:
        return "the broker asks for a client certificate: name it as tls: {certificate: FILE, key: FILE}"
    if "ALERT" in text:
        return (
            "the broker refuses the certificate in tls: certificate: it must be signed by the authority "
            "that the broker trusts, and not be expired"
        )
    if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER" in text:
        return "what listens there speaks no TLS: check the port (TLS is mostly 8883), or write mqtt://"
    return "check that this is the broker's TLS port"


def refused(config: BrokerSection, reason: ReasonCode) -> str:
    """Say why the broker did not take the session (CONNACK)."""
    broker = f"MQTT broker {config.url}"
    match reason.getName():
        case "Bad user name or password" | "Not authorized" | "Bad authentication method":
            who = f"user {config.user!r}" if config.user else "a client without user and password"
            remedy = "check user and password" if config.user else "write user: and password:"
            return f"{broker}: {who} is refused ({reason}): {remedy}, and what the broker allows client_id {config.client_id!r}"
        case "Unsupported protocol version":
            other = "3.1.1" if config.protocol == "5" else "5"
            return f'{broker}: it does not speak MQTT {config.protocol}: write protocol: "{other}"'
        case "Client identifier not valid":
            return f"{broker}: it refuses the client_id {config.client_id!r}: write another one (a strict broker takes 1 to 23 letters and digits)"
        case name:
            return f"{broker}: it refuses the session ({name}): see the broker's log"


def unanswered(config: BrokerSection, errors: Sequence[str]) -> str:
    """Say what it may be when the broker hangs up instead of answering CONNECT.

    Args:
        config: the broker.
        errors: what paho logged of the socket; with TLS 1.3 the verdict on a client certificate
            comes only here, after the handshake.
    """
    broker = f"MQTT broker {config.url}"
    error = errors[-1] if errors else ""
    if "SSL" in error:
        return f"{broker}: it ended the TLS connection ({error}): {_tls_remedy(error)}"
    if not config.url.tls:
        cause = "whether the port expects TLS (mqtts://)"
    elif config.tls and config.tls.certificate:
        cause = "whether it trusts the certificate in tls: certificate:"
    else:
        cause = "whether it asks for a client certificate (tls: {certificate: FILE, key: FILE})"
    return (
        f"{broker}: it closed the connection without an answer: check that it speaks MQTT {config.protocol}, "
        f"{cause}, and the broker's log"
    )


def silent(config: BrokerSection) -> str:
    """Say what it may be when nothing follows CONNECT."""
    return (
        f"MQTT broker {config.url}: it did not answer within {config.timeout / SECOND:g} s: check that this is "
        f"the broker's port{'' if config.url.tls else ' (with TLS it wants mqtts://)'}, and the broker's log"
    )


def lost(config: BrokerSection, reason: ReasonCode, *, told: bool) -> str:
    """Say why an accepted session ended.

    Args:
        config: the broker.
        reason: paho's, or the broker's own.
        told: the broker said so itself (MQTT 5); otherwise the connection just ended.
    """
    broker = f"MQTT broker {config.url}"
    takeover = f"another client uses the client_id {config.client_id!r}: every client needs its own"
    if not told and reason == "Protocol error":
        return f"{broker}: it sent something that is not MQTT {config.protocol}; the connection was closed"
    if not told and reason == "Keep alive timeout":
        return f"{broker}: a ping was not answered in time: the link is dead or the broker hangs: check both"
    if not told:
        # A session that is taken over is just cut: MQTT 3.1.1 has no word for it (section 3.1.4), and
        # mosquitto 2.0 does not use the one of MQTT 5.
        hint = f" (if this repeats every few seconds, {takeover})" if config.client_id else ""
        return f"{broker}: the connection was lost{hint}: see whether the broker restarted, and check the network"
    if reason == "Session taken over":
        return f"{broker}: the session was taken over: {takeover}"
    return f"{broker}: it ended the session ({reason}): see the broker's log"


def not_subscribed(config: BrokerSection, topic: str, reason: ReasonCode) -> str:
    """Say why a topic is not delivered (SUBACK)."""
    who = f"user {config.user!r}" if config.user else f"client_id {config.client_id!r}"
    return (
        f"MQTT broker {config.url}: the subscription to {topic} is refused ({reason}): "
        f"allow {who} to read it in the broker's access control list; it is tried again every minute"
    )
