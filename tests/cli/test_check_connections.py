"""`edge-relay check --connections`: the firewall request, without a network and without secrets."""

import csv
import json

from rigs.commissioning import run

SITE = """\
agent: {site: dresden, name: line-4}
http: {listen: "127.0.0.1:8471"}
destinations:
  cmms: {url: "https://cmms.example.com/hooks?key=canary-4711", signing: {secret: "${env:A_SECRET_NOBODY_HAS}"}}
  mes: {url: "http://10.0.0.9:8080/in", signing: none}
sources:
  plc: {type: modbus, url: tcp://192.168.10.20, tags: {A: {address: "40001", type: int16}}}
  plc-slow: {type: modbus, url: "tcp://192.168.10.20:502", poll_every: 10s, tags: {B: {address: "40002", type: int16}}}
  moxa: {type: modbus, url: "rtu+tcp://moxa.plant:4001", tags: {C: {address: "40001", type: int16}}}
  drives: {type: modbus, url: "rtu:///dev/ttyUSB0?baudrate=9600", tags: {D: {address: "40001", type: int16}}}
  boiler: {type: opcua, url: "opc.tcp://boiler.plant", security: none, tags: {E: {node: "nsu=urn:a;s=b"}}}
  broker: {type: mqtt, url: "mqtts://broker.plant", client_id: me, user: u, password: "${env:NO_SUCH}",
           tags: {F: {topic: a/b}}}
  sim: {type: simulated, tags: {G: {signal: sine}}}
"""
INBOUND = """\
inbound:
  cloud:
    type: poll
    url: https://relay.example.com/out/line-4?key=canary-4711
    verify: none
    routes:
      orders: {type: order, forward: {url: "http://mes.plant:8080/orders"}}
      recipes: {publish: {source: broker, topic: recipes}}
  fleet: {type: nats, servers: ["tls://nats.example.com"], stream: s, consumer: line-4, verify: none}
"""
NAMES = "names to be resolved (DNS, UDP and TCP 53, by this machine's resolver)"
WAYS = [
    ("192.168.10.20", 502, "Modbus TCP", "out", "no", "source plc, source plc-slow"),
    ("moxa.plant", 4001, "Modbus RTU/TCP", "out", "no", "source moxa"),
    ("boiler.plant", 4840, "OPC UA", "out", "no", "source boiler"),
    ("broker.plant", 8883, "MQTT", "out", "TLS", "source broker"),
    ("cmms.example.com", 443, "HTTPS", "out", "TLS", "destination cmms"),
    ("10.0.0.9", 8080, "HTTP", "out", "no", "destination mes"),
    ("127.0.0.1", 8471, "HTTP", "listens", "no", "page, API, health and metrics, for this machine alone"),
]


async def test_every_address_and_port_stands_there_once(tmp_path, capsys):
    """Default ports written out, shared connections once, what listens, and what needs no network."""
    (tmp_path / "site.yaml").write_text(SITE)
    status, output, errors = await run(
        capsys, "check", "--connections", "--json", "-c", str(tmp_path / "site.yaml")
    )
    found = json.loads(output)
    keys = ("to", "port", "protocol", "direction", "encrypted", "purpose")

    assert (status, errors) == (0, "")
    assert [tuple(way[key] for key in keys) for way in found["connections"]] == WAYS
    assert found["remarks"][:3] == [
        "source drives: serial port /dev/ttyUSB0 of this machine, no network",
        "source sim is simulated: no connection",
        f"{NAMES}: boiler.plant, broker.plant, cmms.example.com, moxa.plant",
    ]


async def test_relays_and_what_their_routes_reach_stand_there_too(tmp_path, capsys):
    """The relay is asked from here; a service of the plant is a connection; a broker stands there once."""
    (tmp_path / "site.yaml").write_text(SITE + INBOUND)
    words = ("check", "--connections", "--json", "-c", str(tmp_path / "site.yaml"))
    status, output, errors = await run(capsys, *words)
    found = {way["purpose"]: (way["to"], way["port"]) for way in json.loads(output)["connections"]}

    assert (status, errors) == (0, "")
    assert found["relay cloud"] == ("relay.example.com", 443)
    assert found["relay fleet"] == ("nats.example.com", 4222)
    assert found["destination cloud/orders"] == ("mes.plant", 8080)
    assert found["source broker, destination cloud/recipes"] == ("broker.plant", 8883)
    assert "canary" not in output


async def test_a_spreadsheet_can_open_it(tmp_path, capsys):
    """`--csv`: a row for each connection; what is no row is on stderr, and nothing else takes the option."""
    (tmp_path / "site.yaml").write_text(SITE)
    words = ("check", "-c", str(tmp_path / "site.yaml"), "--csv")
    status, output, errors = await run(capsys, *words, "--connections")
    rows = list(csv.DictReader(output.splitlines()))
    keys = ("to", "port", "protocol", "direction", "encrypted", "purpose")

    assert status == 0
    assert [tuple(row[key] for key in keys) for row in rows] == [tuple(map(str, way)) for way in WAYS]
    assert NAMES in errors
    assert [
        (await run(capsys, *words, *more))[0] for more in ((), ("--live",), ("--connections", "--json"))
    ] == [*(2, 2, 2)]


async def test_the_table_can_be_pasted_into_the_request(tmp_path, capsys):
    """From, to, port, protocol, direction, encryption within 80 columns; no path, no query, no secret."""
    (tmp_path / "site.yaml").write_text(SITE)
    status, output, _ = await run(capsys, "check", "--connections", "-c", str(tmp_path / "site.yaml"))
    lines = output.splitlines()

    assert status == 0
    assert lines[0] == "dresden/line-4; all are TCP"
    assert lines[1].index("what for") <= 80
    assert lines[2].split()[:5] == ["this", "machine", "192.168.10.20", "502", "Modbus"]
    assert "canary" not in output
    assert "hooks" not in output


async def test_by_a_proxy_the_firewall_sees_the_proxy(tmp_path, capsys):
    """Who asks for the receiver's address instead waits weeks for a rule that helps nobody; tokens have a way of their own."""
    oauth2 = (
        '{oauth2: {token_url: "https://login.plant/token", client_id: me, client_secret: "${env:NO_SUCH}"}}'
    )
    (tmp_path / "site.yaml").write_text(f"""\
agent: {{site: dresden, name: line-4}}
destinations:
  cloud:
    url: https://cloud.example.com/events
    signing: none
    auth: {oauth2}
    proxy: {{url: "http://proxy.plant:3128", no_proxy: [.plant]}}
  chat: {{url: "${{file:no.such}}", signing: none}}
""")
    status, output, _ = await run(
        capsys, "check", "--connections", "--json", "-c", str(tmp_path / "site.yaml")
    )
    found = json.loads(output)
    keys = ("to", "port", "protocol", "encrypted", "purpose")

    assert status == 0
    assert [tuple(way[key] for key in keys) for way in found["connections"][:2]] == [
        ("proxy.plant", 3128, "HTTP proxy", "TLS", "destination cloud (cloud.example.com:443)"),
        ("login.plant", 443, "HTTPS", "TLS", "destination cloud, its tokens"),
    ]
    assert len(found["connections"]) == 3, "health and metrics, and no address that is not known"
    assert found["remarks"][:2] == [
        "destination chat: its address is a secret and not shown; HTTPS, TCP 443 as a rule",
        f"{NAMES}: login.plant, proxy.plant",
    ]
