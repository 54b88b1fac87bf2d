"""What the screening is told of a relay, made of sections as they are written."""

from rigs.signed import SECRET

from agent.inbound.routes import RouteSection
from agent.relays import terms
from agent.signing.config import Ed25519Verification, HexSigning, StandardSigning


class Section:
    """What `terms` reads of a relay's section."""

    def __init__(self, verify, routes):
        self.verify = verify
        self.routes = {
            name: RouteSection.model_validate(route, context=None) for name, route in routes.items()
        }


STANDARD = {"secret": SECRET}
WRITE = {"write": {"tag": "speed"}}
FORWARD = {"forward": {"url": "http://127.0.0.1:1/"}}


def relay(verify=STANDARD, **routes):
    section = "none"
    if verify != "none":
        kind = {"ed25519": Ed25519Verification, "hex": HexSigning}.get(verify.get("scheme"), StandardSigning)
        section = kind.model_validate(verify)
    return terms("cloud", Section(section, routes or {"set": WRITE}))
