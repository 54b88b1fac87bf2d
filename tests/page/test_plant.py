"""What goes wrong in a plant, as its page tells it: sources, receivers, configurations and the agent itself go and come back."""

import json
import re

import pytest
from playwright.async_api import expect
from rigs.agent_process import until
from rigs.opened_page import PHONE, opened
from rigs.paged_plant import ANNA, paged_plant

TAGS = {"R1.TT101": 60, "P101.FT": 61}
RULES = "  hot: {tag: R1.TT101, high: 170, priority: high, response: Open CV-101}\n"


def plant(folder):
    return paged_plant(folder, tags=TAGS, rules=RULES)


@pytest.fixture(autouse=True)
def mended(loop, here):
    """Each test begins with a plant that is well, whatever the one before has left."""
    here.write(tags=TAGS, rules=RULES)
    here.put(60, 0)
    here.cmms.behave, here.cmms.headers = (lambda _: 204), {}

    async def well():
        if here.agent.ended:
            await here.agent.start()
        assert (await here.agent.command("reload"))[0] == 0
        await until(lambda: here.agent.is_up("plc"), here.agent.log)

    loop.run(well())


async def test_a_dead_letter_is_sent_again(here, chrome):
    """A receiver that refuses, with its reason; it is mended, the letter is sent by hand, arrives once, and its row is gone."""
    here.cmms.behave, here.cmms.headers = (lambda _: 400), {"webhook-delivery": "abort-message"}
    here.put(60, 171)
    async with opened(chrome, here.url, at="letters", token=ANNA) as one:
        letter = one.page.locator('.letter:has-text("hot")')
        await expect(letter).to_have_count(1)
        await expect(letter).to_contain_text("answered 400")
        await expect(one.page.locator('nav a[href="#letters"] .badge')).to_have_text("1")
        assert not here.cmms.events("/cmms")
        here.cmms.behave = lambda _: 200
        await letter.get_by_role("button", name=re.compile("Send .* again")).click()
        await expect(letter).to_have_count(0)
        await expect(one.page.locator("#view-letters")).to_contain_text("No dead letters")
        await here.told("alarm.raised", "hot", at=here.cmms)
        assert not (await here.agent.status())["destinations"]["cmms"]["dead"]


async def test_a_source_that_is_lost_is_named_with_its_reason(here, chrome):
    """In the head, among the sources and at each of its tags, in the agent's words; and it is well again by itself."""
    async with opened(chrome, here.url, at="sources") as one:
        await expect(one.row("plc")).to_contain_text("Up")
        await here.plc.stop()
        try:
            await expect(one.row("plc")).to_contain_text("Down")
            reason = (await here.agent.status())["sources"]["plc"]["reason"]
            assert "Connection refused" in reason or "closed" in reason
            await expect(one.row("plc").locator(".reason").first).to_contain_text("127.0.0.1")
            await expect(one.page.locator("#sentence")).to_contain_text("Source plc is down")
            await one.show("tags")
            tags = one.page.locator(".tag-row:visible")
            await expect(tags).to_have_count(2)
            for tag in await tags.all():
                await expect(tag).to_have_attribute("data-state", re.compile("stale|bad"))
                await expect(tag.locator(".tag-why")).to_contain_text(
                    re.compile("plc is down|cannot connect")
                )
        finally:
            await here.plc.start()
        for tag in await tags.all():
            await expect(tag).to_contain_text("Good")
        await expect(one.page.locator("#sentence")).to_contain_text("All is well")
        await one.show("sources")
        await expect(one.row("plc")).to_contain_text("Up")


async def test_a_broken_configuration_is_refused_with_its_place(here, chrome):
    """FILE:LINE and the sentence; the old one goes on and raises its alarm; mended and reloaded, nothing is left of it."""
    rules = here.folder / "rules.yaml"
    async with opened(chrome, here.url, at="configuration", token=ANNA) as one:
        one.expects("422")
        here.agent.write(rules=f"rules:\n{RULES}  low: {{tag: R1.TT1O1, low: 10}}\n")
        await one.button("Reload").click()
        problem = one.page.locator(".problems li")
        await expect(problem).to_contain_text(f"{rules}:3:")
        await expect(problem).to_contain_text("R1.TT1O1")
        await expect(one.page.locator(".verdict")).to_contain_text("The old one goes on")
        await expect(one.page.locator('nav a[href="#configuration"] .badge')).to_have_text("refused")
        here.put(60, 180)
        await one.show("alarms")
        await expect(one.row("hot")).to_be_visible()

        here.agent.write(rules=f"rules:\n{RULES}  low: {{tag: R1.TT101, low: 10}}\n")
        await one.show("configuration")
        await one.button("Reload").click()
        await expect(one.page.locator(".verdict")).to_contain_text("In force")
        await expect(one.page.locator('.problems li[data-severity="error"]')).to_have_count(0)
        await expect(one.row("low")).to_be_visible()
        assert {row["rule"] for row in await here.agent.ask("/api/rules")} >= {"hot", "low"}


async def test_an_open_page_follows_tags_that_are_renamed(here, chrome):
    """Another hand reloads; what is not there any more goes, what is new comes, and nothing is loaded anew."""
    async with opened(chrome, here.url, at="tags") as one:
        rows = one.page.locator(".tag-row:visible .tag-title")
        await expect(rows).to_have_text(["P101.FT", "R1.TT101"])
        await one.page.evaluate("window.same = true")
        await rows.last.click()
        await expect(one.page.get_by_role("dialog")).to_contain_text("R1.TT101")
        here.write(tags={"R2.TT201": 60, "P101.FT": 61}, rules=RULES.replace("R1.TT101", "R2.TT201"))
        assert (await here.agent.command("reload"))[0] == 0
        await expect(one.page.get_by_role("dialog")).to_contain_text("not configured any more")
        await one.page.keyboard.press("Escape")
        await expect(rows).to_have_text(["P101.FT", "R2.TT201"])
        await expect(one.page.locator(".tag-row:visible").last).to_contain_text("Good")
        assert await one.page.evaluate("window.same")


async def test_an_agent_that_is_killed_and_comes_back(here, chrome):
    """What is shown is old, which is said, and greyed; once it is back all is live without a reload, also on a phone."""
    here.put(60, 188)
    await here.is_open("hot")
    async with opened(chrome, here.url, token=ANNA) as one, opened(chrome, here.url, **PHONE) as phone:
        for each in (one, phone):
            each.expects_an_agent_that_is_away()
            await expect(each.row("hot")).to_be_visible()
            await each.page.evaluate("window.same = true")
        await here.agent.kill()
        for each in (one, phone):
            await expect(each.page.locator("#old")).to_contain_text("what you see is old")
            assert "grayscale" in await each.page.locator("main").evaluate(
                "(el) => getComputedStyle(el).filter"
            )
            await expect(each.row("hot")).to_be_visible()
            assert await each.page.title() == "Not connected: Alarms · dresden"
        await one.row("hot").get_by_role("button", name="Acknowledge").click()
        await expect(one.row("hot")).to_contain_text("cannot be reached")
        await here.agent.start()
        for each in (one, phone):
            await expect(each.page.locator("#old")).to_be_hidden()
            await expect(each.page.locator("html")).to_have_attribute("data-standing", "live")
        await one.row("hot").get_by_role("button", name="Acknowledge").click()
        assert (await here.told("alarm.acknowledged", "hot"))["by"] == "anna"
        await expect(phone.row("hot")).to_contain_text("acknowledged by anna")
        assert await one.page.evaluate("window.same")
        assert await phone.page.evaluate("window.same")


async def test_a_view_that_could_not_be_fetched_is_fetched_once_the_agent_is_back(here, chrome):
    """The agent ended while the page was opened: no badge is missing for the rest of the night."""
    async with await chrome.new_context() as context:
        page = await context.new_page()
        await page.route("**/letters.js", lambda route: route.abort(), times=1)
        thrown = []
        page.on("pageerror", lambda error: thrown.append(error))  # noqa: PLW0108 - playwright marks what it is given
        async with page.expect_event("requestfailed"):
            await page.goto(here.url)
        await here.agent.kill()
        await expect(page.locator("#old")).to_contain_text("what you see is old")
        async with page.expect_request("**/configuration.js"):  # the last of them
            await here.agent.start()
        assert thrown == []


async def test_without_tokens_it_is_read_only_and_says_what_to_do(here, chrome):
    """Each button says why nothing can be ordered and how a token is made; nothing is ordered by it."""
    here.write(tags=TAGS, rules=RULES, tokens="{}")
    assert (await here.agent.command("reload"))[0] == 0
    here.put(60, 188)
    await here.is_open("hot")
    async with opened(chrome, here.url) as one:
        await one.row("hot").get_by_role("button", name="Acknowledge").click()
        dialog = one.page.get_by_role("dialog")
        await expect(dialog).to_contain_text("edge-relay keygen --token")
        await expect(dialog).to_contain_text("tokens:")
        await dialog.get_by_role("button", name="Close").click()
        await expect(one.button("Read only: why?")).to_be_visible()
    assert "acknowledged_by" not in json.dumps(await here.alarm("hot"))
