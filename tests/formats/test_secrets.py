"""Secrets that have to stand in a body: there, and nowhere else (reliability X2)."""

import asyncio
import json
import logging

import pytest
from rigs.bodies import IDENTITY, PLACE, event, section
from rigs.raw_server import raw_server

from agent.cli import main
from agent.clock import SystemClock
from agent.config.load import load
from agent.config.secrets import Secret
from agent.destinations import open_destination
from agent.destinations.base import Message
from agent.errors import ConfigError
from agent.formats import FormatError, covered, open_format

CANARY = 'canary4711"\\ß'
"""With what JSON writes in another way: both ways must be covered."""
FORMS = (CANARY, json.dumps(CANARY, ensure_ascii=False)[1:-1])
FILE = """\
agent: {{site: dresden, name: line-4}}
destinations:
  pager:
    url: http://127.0.0.1:{port}/v2/enqueue
    signing: none
    format: template
    secrets: {{key: "${{env:PAGER_KEY}}"}}
    template: |
      {template}
"""
GOOD = '{"key": "{{ secrets.key }}", "text": "{{ message }}"}'


def hides(text):
    return not any(form in text for form in FORMS) and "canary" not in text


async def echo(rig, reader, writer):
    """What a careless receiver does with a body that it refuses: it says it back."""
    request = await rig.request(reader)
    body = request.partition(b"\r\n\r\n")[2]
    said = b"no good: " + body + b" key=" + CANARY.encode()
    writer.write(b"HTTP/1.1 400 X\r\nContent-Length: %d\r\n\r\n" % len(said) + said)
    await reader.read()


def test_it_stands_in_the_body():
    """Whatever characters it has, the receiver reads it."""
    config = section(format="template", template=GOOD, secrets={"key": CANARY})

    assert json.loads(open_format(config, IDENTITY).one(event(), PLACE))["key"] == CANARY


@pytest.mark.parametrize("options", [["--show"], []], ids=["shown", "sent"])
def test_send_test_does_not_show_it(tmp_path, monkeypatch, capsys, caplog, options):
    """Neither what goes out, nor what an echoing receiver says back; yet it was sent."""
    monkeypatch.setenv("PAGER_KEY", CANARY)
    caplog.set_level(logging.DEBUG)

    async def scene():
        async with raw_server(echo) as server:
            (tmp_path / "a.yaml").write_text(FILE.format(port=server.port, template=GOOD))
            command = ["send-test", "pager", *options, "-c", str(tmp_path / "a.yaml")]
            return await asyncio.to_thread(main, command), server.requests

    code, requests = asyncio.run(scene())
    told = capsys.readouterr()

    assert hides(told.out + told.err + caplog.text)
    assert '"key": "(not shown)"' in told.out
    assert '"text": "a test by hand"' in told.out
    if options:
        assert (code, requests) == (0, [])
        assert "nothing was sent" in told.out
    else:
        assert code == 1
        assert json.loads(requests[0].partition(b"\r\n\r\n")[2])["key"] == CANARY
        assert "no good" in told.out


async def test_no_row_of_an_attempt_holds_it():
    """The excerpt of an answer is what the store keeps, and dead letters show."""
    async with raw_server(echo) as server:
        config = section(
            url=f"http://127.0.0.1:{server.port}/", format="template", template=GOOD, secrets={"key": CANARY}
        )
        async with open_destination("pager", config, SystemClock()) as destination:
            body = open_format(config, IDENTITY).one(event(), PLACE)
            answer = await destination.deliver(Message("evt_1", body))

    assert CANARY in json.loads(body).values()
    assert answer.excerpt.startswith("no good: ")
    assert hides(answer.excerpt)


@pytest.mark.parametrize(
    "template",
    [
        '{"key": {{ secrets.key }}}',
        "{{ secrets.key | round(1) + 1 }}",
        '{{ secrets.key | local("Europe/Berlin") }}',
        "{{ time | local(secrets.key) }}",
        "{{ [secrets.key] | sum }}",
        "{{ data[secrets.key] > 1 }}",
        "{{ data[secrets.key].x + 1 }}",
        "{{ secrets.key > 1 }}",
        "{{ secrets | json }}{{ 1 / 0 }}",
        "{{ secrets.keys }}",
        "{{ secrets.key.canary.upper() }}",
    ],
)
def test_no_message_repeats_it(tmp_path, template):
    """Whatever goes wrong with it: when it is loaded, and in what a dead letter says."""
    path = tmp_path / "a.yaml"
    path.write_text(FILE.format(port=1, template=template))
    with pytest.raises(ConfigError) as refused:
        load(path, {"PAGER_KEY": CANARY})

    assert hides(
        str(refused.value).replace(str(path), "").replace("secrets.key.canary", "").replace("key.canary", "")
    )
    if "upper" not in template and "keys" not in template:
        with pytest.raises(FormatError) as failed:
            open_format(section(format="template", template=template, secrets={"key": CANARY}), IDENTITY).one(
                event(), PLACE
            )
        assert hides(str(failed.value))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("key abcdef is wrong", "key (not shown) is wrong"),
        ("abcdefabcdef", "(not shown)(not shown)"),
        ("cut off: abcd", "cut off: (not shown)"),
        ("cut off: abc", "cut off: abc"),
        ("nothing", "nothing"),
    ],
)
def test_what_is_covered(said, expected):
    """Every time that it comes, and its beginning where the excerpt ends within it."""
    assert covered(said, {"key": Secret("abcdef"), "short": Secret("e")}) == expected
