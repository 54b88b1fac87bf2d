"""A large plant: 2,000 tags and 500 open alarms in one page, which stays small and can be searched."""

from playwright.async_api import expect
from rigs.agent_process import until
from rigs.opened_page import PHONE, opened
from rigs.paged_plant import ANNA, paged_plant

TAGS, ALARMS = 2_000, 500
MOST_NODES = 3_000  # of the whole document with a list of 2,000: some forty rows


def plant(folder):
    rules = "".join(f"  A{number:03}: {{tag: T{number:04}, high: 0.5}}\n" for number in range(1, ALARMS + 1))
    more = "\nflood: {more_than: 10000 in 10m, until: 5000 in 10m, digest_every: 60s}\n"
    return paged_plant(
        folder, tags={f"T{number:04}": number for number in range(TAGS)}, rules=rules, more=more, every="1s"
    )


async def test_two_thousand_tags(here, chrome):
    """The document has the rows in sight; any of them is found by its name and by scrolling, by keys too."""
    async with opened(chrome, here.url, at="tags") as one:
        rows = one.page.locator(".tag-row:visible")
        await expect(rows.first).to_contain_text("T0000")
        assert await one.page.locator("#view-tags *").count() < MOST_NODES
        await one.page.mouse.move(600, 600)
        await one.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        await expect(one.page.locator('.tag-row:visible:has-text("T1999")')).to_be_in_viewport()
        await one.page.evaluate("scrollTo(0, 0)")
        await expect(one.page.locator('.tag-row:visible:has-text("T0000")')).to_be_in_viewport()
        await one.page.get_by_role("grid").focus()
        await one.page.keyboard.press("End")
        await expect(one.page.locator('.tag-row[aria-selected="true"]')).to_contain_text("T1999")
        await expect(one.page.locator('.tag-row[aria-selected="true"]')).to_be_in_viewport()
        await one.page.get_by_role("searchbox").fill("t1234")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("Good")
        assert await one.page.locator("#view-tags *").count() < MOST_NODES


async def test_five_hundred_alarms(here, chrome):
    """All are listed, are told as they come and go, one is found by its name, and one is acknowledged among them, on a phone."""

    async def all_open():
        return len((await here.agent.ask("/api/alarms"))["open"]) == ALARMS

    await until(all_open, here.agent.log)
    async with opened(chrome, here.url, token=ANNA, **PHONE) as one:
        await expect(one.page.locator("#view-alarms .list").first.locator(".row")).to_have_count(ALARMS)
        await expect(one.page.locator("#view-alarms")).to_contain_text(
            "500 open alarms, 500 not acknowledged"
        )
        await expect(one.page.locator("#sentence")).to_contain_text("500 alarms wait to be acknowledged")
        here.put(123, 0)
        await expect(one.row("A123")).to_have_count(0)
        await one.page.get_by_role("searchbox").fill("A456")
        await expect(one.page.locator("#view-alarms .list").first.locator(".row")).to_have_count(1)
        await one.row("A456").get_by_role("button", name="Acknowledge").tap()
        assert (await here.told("alarm.acknowledged", "A456"))["by"] == "anna"
        assert not await one.wide()
