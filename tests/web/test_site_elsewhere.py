"""A page of another site in a real browser, which does all that pages can do to get at the agent: it gets nothing."""

import asyncio
import functools
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.async_api import async_playwright
from rigs.browser import chromium
from rigs.site import ANNA, site
from rigs.stores import eventually

EVIL = """<!doctype html><title>evil</title><body><iframe id="frame"></iframe>
<form id="form" method="post" target="hole" enctype="text/plain"><input name='{"rules":["R"],"reason":"' value='x"}'></form>
<iframe name="hole"></iframe>"""
TRIES = """async ({agent, token}) => {
  const tried = {};
  const order = JSON.stringify({rules: ["R"], reason: "x"});
  const json = {"Content-Type": "application/json"};
  const bearer = {Authorization: `Bearer ${token}`};
  const ways = {
    read: ["/api/status", {}],
    probe: ["/live", {}],
    withToken: ["/api/status", {headers: bearer}],
    withCookies: ["/api/status", {credentials: "include"}],
    order: ["/api/alarms/acknowledge", {method: "POST", body: order, headers: {...json, ...bearer}}],
    simpleOrder: ["/api/alarms/acknowledge", {method: "POST", body: order}],
    form: ["/api/alarms/acknowledge", {method: "POST", body: new URLSearchParams({rules: "R"})}],
  };
  for (const [name, [path, how]] of Object.entries(ways)) {
    try { tried[name] = await (await fetch(agent + path, how)).text(); } catch (error) { tried[name] = error.name; }
  }
  const opaque = await fetch(agent + "/api/status", {mode: "no-cors"}).then((r) => r.type + r.status, (e) => e.name);
  tried.opaque = opaque;
  tried.events = await new Promise((done) => {
    const source = new EventSource(agent + "/api/live");
    source.onmessage = source.onopen = () => done("open");
    source.addEventListener("state", () => done("state"));
    source.onerror = () => { source.close(); done("error"); };
  });
  tried.script = await new Promise((done) => {
    const script = document.createElement("script");
    script.src = agent + "/api/status"; script.onload = () => done("loaded"); script.onerror = () => done("error");
    document.body.append(script);
  });
  tried.beacon = navigator.sendBeacon(agent + "/api/alarms/acknowledge", order);
  const frame = document.getElementById("frame");
  await new Promise((done) => { frame.onload = done; frame.src = agent + "/"; });
  try { tried.frame = frame.contentDocument === null ? "closed" : frame.contentDocument.title; }
  catch (error) { tried.frame = error.name; }
  const form = document.getElementById("form");
  form.action = agent + "/api/alarms/acknowledge";
  const hole = document.querySelector("[name=hole]");
  await new Promise((done) => { hole.onload = done; form.submit(); });
  return tried;
}"""


@pytest.fixture
def evil(tmp_path):
    """Another site on this machine: what browsers call same-site, which sends all that is not kept from it."""
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / "index.html").write_text(EVIL)
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


async def test_a_page_elsewhere_gets_and_does_nothing(tmp_path, free_port, evil):
    """By fetch, form, beacon, event stream, script and frame; from another port and by another name, with the token even."""
    async with site(tmp_path, free_port()) as here, async_playwright() as playwright:
        await eventually(lambda: here.agent.hand.alarms()["open"], 30)
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            for host in ("127.0.0.1", "localhost"):
                page = await browser.new_page()
                await page.goto(f"http://{host}:{evil}/")
                async with asyncio.timeout(60):
                    tried = await page.evaluate(TRIES, {"agent": here.url(), "token": ANNA})
                assert tried.pop("opaque") in {"opaque0", "TypeError"}
                assert tried.pop("beacon") in {True, False}
                assert tried.pop("frame") in {"closed", "SecurityError"}
                assert set(tried.values()) == {"TypeError", "error"}, json.dumps(tried, indent=1)
                for frame in page.frames[1:]:
                    text = await frame.evaluate("document.documentElement.innerText")
                    assert "Edge Relay" not in text
                    assert "done" not in text
            assert "acknowledged_by" not in here.agent.hand.alarms()["open"][0]
            assert not here.agent.live.pages
        finally:
            await browser.close()


async def test_its_own_page_breaks_no_rule_of_its_policy(tmp_path, free_port):
    """All that the page loads is its own; the browser refuses nothing of it."""
    async with site(tmp_path, free_port()) as here, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            page = await browser.new_page()
            said, asked = [], []
            page.on("console", lambda message: said.append(message.text))
            page.on("request", lambda request: asked.append(request.url))
            await page.goto(here.url("/"))
            await eventually(lambda: here.agent.live.pages, 30)
            await page.wait_for_load_state("load")
        finally:
            await browser.close()

    assert not [text for text in said if "Content Security Policy" in text], said
    assert not [url for url in asked if not url.startswith((here.url("/"), "data:"))]
