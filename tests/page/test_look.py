"""How the page looks and weighs: every view in both themes, at a desk and on a phone, and what a browser can measure of it.

The pictures are left in build/screenshots.
"""

import itertools
import re
from pathlib import Path

import pytest
from playwright.async_api import expect
from rigs.lively_plant import lively_plant
from rigs.opened_page import DESK, PHONE, VIEWS, opened

from agent.web.files import read_page

PICTURES = Path(__file__).parents[2] / "build" / "screenshots"
MOST_BYTES = 150_000
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
HEADINGS = """() => [...document.querySelectorAll("h1, h2, h3, h4")].filter((el) => el.checkVisibility()).map((el) => Number(el.tagName[1]))"""


def plant(folder):
    return lively_plant(folder)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("width", "look"), [(1280, DESK), (390, PHONE)], ids=["desk", "phone"])
async def test_every_view_can_be_read(here, chrome, theme, width, look):
    """Contrast of 4.5 (3 where it is large) for each text on its ground, no line beyond the window, headings in order."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with opened(chrome, here.url, color_scheme=theme, **look) as one:
        for view in VIEWS:
            await one.show(view)
            await expect(one.page.locator(f"#view-{view} .muted:text-is('Loading…')")).to_have_count(0)
            assert await one.page.evaluate(CONTRAST) == [], view
            assert not await one.wide(), view
            levels = await one.page.evaluate(HEADINGS)
            assert levels[:2] == [1, 2], view
            assert all(below <= above + 1 for above, below in itertools.pairwise(levels)), (
                view,
                levels,
            )
            await one.page.screenshot(path=PICTURES / f"{view}-{width}-{theme}.png")


async def test_every_control_has_a_name(here, chrome):
    """What a screen reader says of each link, button and field of each view; and the landmarks that it goes by."""
    async with opened(chrome, here.url) as one:
        for view in VIEWS:
            await one.show(view)
            tree = await one.page.locator("body").aria_snapshot()
            nameless = re.findall(
                r"^\s*- (?:button|link|textbox|searchbox|combobox|checkbox|radio|tab|grid)(?:$|:| \[).*",
                tree,
                re.MULTILINE,
            )
            assert not nameless, (view, nameless)
            for landmark in ("banner", 'navigation "Views"', "main"):
                assert f"- {landmark}" in tree, view
        assert await one.page.locator("html").get_attribute("lang") == "en"


async def test_nothing_moves_for_whoever_wants_it_so(here, chrome):
    """With reduced motion no animation runs, though an alarm waits."""
    async with opened(chrome, here.url, reduced_motion="reduce") as one:
        await expect(one.row("R1-temperature")).to_be_visible()
        assert await one.page.evaluate("document.getAnimations().length") == 0


async def test_the_first_look_is_light_and_all_from_the_agent(here, chrome):
    """The view of alarms, unpacked: less than 150 kB in all, of the wire too; nothing is asked of anybody else."""
    async with opened(chrome, here.url) as one:
        await expect(one.row("R1-temperature")).to_be_visible()
        await expect(one.page.locator('nav a[href="#letters"] .badge')).to_have_text("1")
        files = await one.page.evaluate(
            "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).map((e) => [e.name, e.decodedBodySize, e.transferSize])"
        )
        own = {f"/{name.removeprefix(here.url)}": (size, sent) for name, size, sent in files}
        assert {"/", "/main.js", "/alarms.js", "/style.css"} <= own.keys()
        whole, wire = (sum(each) for each in zip(*own.values(), strict=True))
        assert wire < MOST_BYTES
        kept = read_page()
        shown = [
            "/",
            "/theme.js",
            "/style.css",
            "/main.js",
            *re.findall(r'modulepreload" href="(.*?)"', kept["/"].body.decode()),
        ]
        begun = sum(len(kept[f"/{name.removeprefix('/')}"].body) for name in shown)
        assert begun < MOST_BYTES
        assert whole < 2 * MOST_BYTES  # with all other views, which come after


async def test_twice_as_large_and_on_paper(here, chrome):
    """At 200 % (half the width of the window) and printed, nothing is cut off at the right."""
    async with opened(chrome, here.url, viewport={"width": 640, "height": 450}) as one:
        for view in VIEWS:
            await one.show(view)
            assert not await one.wide(), view
        await one.page.emulate_media(media="print")
        for view in ("alarms", "events"):
            await one.page.evaluate(f"location.hash = '{view}'")
            assert not await one.wide(), view
            assert await one.page.locator("nav").is_hidden()
        assert len(await one.page.pdf()) > 1_000


async def test_back_and_forward(here, chrome):
    """The views are addresses: the buttons of the browser go between them, and one can be opened from outside."""
    async with opened(chrome, here.url, at="events/R1-temperature") as one:
        await expect(one.page.get_by_label("Of this rule: its exact name")).to_have_value("R1-temperature")
        await one.show("sources")
        await one.show("tags")
        await one.page.go_back()
        await expect(one.page.locator("#view-sources")).to_be_visible()
        await one.page.go_back()
        await expect(one.page.locator("#view-events")).to_be_visible()
        await one.page.go_forward()
        await expect(one.page.locator("#view-sources")).to_be_visible()
        await one.page.goto(f"{here.url}#no-such-view")
        await expect(one.page.locator("#view-alarms")).to_be_visible()


async def test_more_pages_than_a_browser_has_connections(here, chrome):
    """Of seven tabs those that were looked at last are told, an order comes through, and one that is turned to goes on."""
    context = await chrome.new_context(**DESK)
    try:
        # A browser that is driven holds every tab for one that is looked at: whether it is, the test says.
        await context.add_init_script(
            "Object.defineProperty(document, 'hidden', { get: () => !window.looked, configurable: true });"
        )
        pages = []
        for _ in range(7):
            pages.append(await context.new_page())
            await pages[-1].goto(here.url)
            await expect(pages[-1].locator("html")).to_have_attribute("data-standing", "live")
        for page in pages[:3]:
            await expect(page.locator("#old")).to_contain_text("Too many pages")
        assert await pages[-1].evaluate("fetch('api/status').then((answer) => answer.status)") == 200
        await pages[0].evaluate("window.looked = true; document.dispatchEvent(new Event('visibilitychange'))")
        await expect(pages[0].locator("html")).to_have_attribute("data-standing", "live")
        await expect(pages[3].locator("html")).to_have_attribute("data-standing", "lost")
        await pages[6].close()
        await expect(pages[3].locator("html")).to_have_attribute("data-standing", "live")
    finally:
        await context.close()
