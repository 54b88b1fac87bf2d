"""What strangers write stays text: nothing of it runs, nothing of it breaks a line, in any view, also on a phone."""

from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from playwright.async_api import expect
from rigs.agent_process import until
from rigs.opened_page import DESK, PHONE, VIEWS, opened
from rigs.paged_plant import ANNA, paged_plant
from rigs.poll_relay import poll_relay
from rigs.signed import SECRET as SENDERS
from rigs.signed import body_of, headers

from agent.clock import SystemClock
from agent.model import SECOND

IMAGE = "<img src=x onerror=window.bad=1>"
SCRIPT = "</script><script>window.bad=1</script>"
WORD = "Schmiermittelüberdruckventil" * 12
RIGHT = "\u202eمضخة المياه\u202c 🔥👩\u200d🏭"
NAMES = [f"{IMAGE}a", f"{WORD}"[:200], f"b{RIGHT}"]
LONG = "w" * 100
RULES = (
    f'  image: {{tag: "{IMAGE}a", high: 5, message: "{IMAGE}{SCRIPT} {{value}}", response: "{IMAGE}"}}\n'
    f'  {LONG}: {{tag: "{NAMES[1]}", high: 5, message: "{WORD}", response: "{WORD}"}}\n'
    f'  right: {{tag: "{NAMES[2]}", high: 5, message: "{RIGHT}"}}\n'
)
MORE = """
inbound:
  orders:
    type: poll
    url: {relay}
    token: "${{env:RELAY}}"
    every: 1s
    verify: {{secret: "${{env:SENDERS}}"}}
    routes: {{set: {{type: machine.set, write: {{tag: /data/tag}}}}}}
destinations:
  odd: {{url: "http://127.0.0.1:{odd}/", signing: {{secret: "${{env:SECRET}}"}}, events: [alarm.*]}}
"""


@asynccontextmanager
async def odd_receiver():
    """It answers with a page that would do harm where it ran, and wants no event again."""

    async def answer(_):
        text = f"{IMAGE}{SCRIPT}{WORD}{RIGHT}"
        return web.Response(
            status=400, text=text, content_type="text/html", headers={"webhook-delivery": "abort-message"}
        )

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def plant(folder):
    async with poll_relay() as relay, odd_receiver() as odd:
        for number, kind in enumerate((IMAGE, WORD, RIGHT, SCRIPT, "machine.set")):
            body = body_of({"type": kind, "data": {"tag": f"{IMAGE}{WORD}", "value": SCRIPT}})
            relay.put(body, headers(body, f"msg_{number}{IMAGE}", SystemClock().wall() // SECOND, SENDERS))
        more = MORE.format(relay=relay.url, odd=odd)
        tags = {name: 60 + number for number, name in enumerate(NAMES)}
        async with paged_plant(folder, tags=tags, rules=RULES, more=more) as here:
            await here.is_open("image", "right")

            async def refused():
                return (await here.agent.status())["destinations"]["odd"]["dead"] >= len(NAMES)

            await until(refused, here.agent.log)
            await until(lambda: relay.taken >= len(relay.entries), here.agent.log)
            yield here


@pytest.mark.parametrize("look", [PHONE, DESK], ids=["phone", "desk"])
async def test_every_view_shows_it_as_text(here, chrome, look):
    """Tags, messages, answers and types as they were written; no view is wider than the window, nothing has run."""
    async with opened(chrome, here.url, **look) as one:
        for view in VIEWS:
            await one.show(view)
            await expect(one.page.locator(f"#view-{view} .view-body")).not_to_be_empty()
            assert not await one.wide(), view
        await expect(one.page.locator("#view-inbound")).to_contain_text(IMAGE)
        await expect(one.page.locator("#view-alarms")).to_contain_text(f"{IMAGE}{SCRIPT}")
        await expect(one.page.locator("#view-tags")).to_contain_text(NAMES[0])
        assert not await one.page.locator("img").count()
        assert not await one.page.evaluate("window.bad")


async def test_every_window_shows_it_as_text(here, chrome):
    """An event with its attempts, a dead letter with the answer, a tag, and the shelf of an alarm, on a phone."""
    async with opened(chrome, here.url, token=ANNA, **PHONE) as one:
        dialog = one.page.get_by_role("dialog")
        for view, what in (
            ("letters", ".letter button >> nth=0"),
            ("events", ".line button >> nth=2"),
            ("tags", ".tag-row:visible >> nth=0"),
            ("alarms", "button[data-action=shelve] >> nth=0"),
        ):
            await one.show(view)
            await one.page.locator(f"#view-{view} {what}").click()
            await expect(dialog).to_be_visible()
            if view == "letters":
                await expect(dialog).to_contain_text(SCRIPT)
            assert not await one.wide(), view
            assert await dialog.evaluate("(el) => el.scrollWidth <= el.clientWidth"), view
            await one.page.keyboard.press("Escape")
            await expect(dialog).to_have_count(0)
        assert not await one.page.locator("img").count()
        assert not await one.page.evaluate("window.bad")
