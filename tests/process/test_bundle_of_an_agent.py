"""The bundle of an agent that runs and is unwell: no secret of any kind leaves the machine, and it says what is wrong."""

import base64
import json
import tarfile

from rigs.agent_process import AgentProcess, quiet_port, until
from rigs.authority import Authority
from rigs.http_proxy import http_proxy
from rigs.nats_operator import Operator
from rigs.nats_server import NatsServer
from rigs.webhook_receiver import SECRET

NAMES = (
    "key",
    "proxy",
    "basic",
    "bearer",
    "oauth",
    "header",
    "path",
    "nats",
    "token",
    "mqtt",
    "opcua",
    "relay",
    "page",
)
SECRETS = {
    name: f"canary of the {name}" if name in ("key", "proxy") else f"canary-{name}-of-a-mine-0123456789"
    for name in NAMES
}
SECRETS["path"] = "x8Kd0Lq2Zp9Wm4Rt7Yb1Nc5V"  # as those who give such addresses write them
PLANT = """
agent: {{site: dresden, name: line-4, data_dir: data, clock: trusted}}
http: {{listen: "127.0.0.1:{port}", tokens: {{eve: "{page}"}}}}
destinations:
  tls:
    url: "https://127.0.0.1:{dead}/hook/{path}?key={path}"
    signing: {{secret: "{signing}"}}
    auth: {{basic: {{user: me, password: "{basic}"}}}}
    tls: {{ca: "{ca}", certificate: "{certificate}", key: "{keyfile}", key_password: "{key}"}}
  tunnel:
    url: "http://receiver.example/hook"
    signing: {{scheme: hex, secret: "{signing}"}}
    auth: {{bearer: "{bearer}"}}
    headers: {{X-Plant: "{header}"}}
    proxy: {{url: "http://127.0.0.1:{proxy_port}", user: me, password: "{proxy}"}}
  oauth:
    url: "http://127.0.0.1:{dead}/d"
    signing: {{secret: "{signing}"}}
    auth: {{oauth2: {{token_url: "http://127.0.0.1:{dead}/t", client_id: me, client_secret: "{oauth}"}}}}
  login: {{type: nats, servers: ["nats://127.0.0.1:{dead}"], subject: x, user: me, password: "{nats}"}}
  token: {{type: nats, servers: ["nats://127.0.0.1:{dead}"], subject: x, token: "{token}"}}
  nkey: {{type: nats, servers: ["nats://127.0.0.1:{nats_port}"], subject: x, nkey: "{seed}"}}
  creds: {{type: nats, servers: ["nats://127.0.0.1:{nats_port}"], subject: x, credentials: "${{file:agent.creds}}"}}
  broker: {{type: mqtt, url: "mqtt://127.0.0.1:{dead}", topic: x, user: me, password: "{mqtt}"}}
sources:
  plc: {{type: modbus, url: "tcp://127.0.0.1:{dead}", tags: {{M: {{area: holding, offset: 0, type: uint16}}}}}}
  boiler:
    type: opcua
    url: "opc.tcp://127.0.0.1:{dead}"
    security: {{mode: none, insecure_password: true}}
    user: me
    password: "{opcua}"
    tags: {{O: {{node: "ns=2;s=O"}}}}
inbound:
  cloud:
    type: poll
    url: "http://127.0.0.1:{dead}/out"
    token: "{relay}"
    verify: {{secret: "{signing}"}}
    routes: {{ack: {{type: ack, acknowledge: {{}}}}}}
rules: {{hot: {{tag: M, high: {{at: 80}}, message: "too hot"}}}}
"""


def forms(secret):
    """A secret as it stands, and as Basic authentication wears it."""
    return (
        secret,
        base64.b64encode(f"me:{secret}".encode()).decode(),
        base64.b64encode(secret.encode()).decode(),
    )


async def sick(agent):
    """Whether its health says so: a source may take its time to connect."""
    health = await agent.ask("/health")
    return health and any("source plc is down" in each for each in health["problems"])


async def test_no_secret_is_in_the_bundle_of_a_sick_agent_and_it_says_what_is_wrong(tmp_path):
    """NATS by every way to log in, an encrypted key, a proxy, all kinds of headers: in no part, doctor's included."""
    plant = tmp_path / "plant"
    authority = Authority(tmp_path)
    certificate, key = authority.issue("client", password=SECRETS["key"])
    operator = Operator()
    seed = operator.credentials.split("-----BEGIN USER NKEY SEED-----\n")[1].split("\n")[0]
    jwt = operator.credentials.split("\n")[1]
    dead, port = quiet_port(), quiet_port()
    with NatsServer(tmp_path, quiet_port(), operator.configuration, jetstream=False) as nats:
        async with http_proxy(credentials="Basic no") as proxy, AgentProcess(plant, port) as agent:
            (plant / "agent.creds").write_text(operator.credentials)
            (plant / "agent.creds").chmod(0o600)
            given = {
                "signing": SECRET,
                "seed": seed,
                "ca": authority.certificate,
                "certificate": certificate,
                "keyfile": key,
            }
            ports = {"dead": dead, "port": port, "proxy_port": proxy.port, "nats_port": nats.port}
            agent.write(agent=PLANT.format(**SECRETS, **given, **ports))
            await agent.start()
            await until(lambda: sick(agent), agent.log)
            output = tmp_path / "bundle.tar.gz"
            status, _, errors = await agent.command("bundle", "-o", str(output))
    with tarfile.open(output) as tar:
        parts = {
            entry.name.partition("/")[2]: tar.extractfile(entry).read().decode() for entry in tar.getmembers()
        }

    assert status == 0, errors
    canaries = [
        form for secret in (*SECRETS.values(), SECRET, SECRET[6:], seed, jwt) for form in forms(secret)
    ]
    assert [(name, each) for name, text in parts.items() for each in canaries if each in text] == []
    assert {
        "doctor.json",
        "status.json",
        "log.txt",
        "stacks.txt",
        "metrics.txt",
        "events.json",
    } <= parts.keys()
    found = {each["thing"] for each in json.loads(parts["doctor.json"])["findings"]}
    assert {
        "tls",
        "tunnel",
        "oauth",
        "login",
        "token",
        "nkey",
        "creds",
        "broker",
        "plc",
        "boiler",
        "cloud",
    } <= found
    first = parts["MANIFEST.txt"].partition("What is in it:")[0]
    assert "health.json: source plc is down" in first
    assert "to see to: destination tls is waiting" in first
