"""Alarms by the page: seen within a second, acknowledged and shelved by hand and by keyboard; each order is in its event."""

import re

from playwright.async_api import expect
from rigs.agent_process import until
from rigs.opened_page import PHONE, opened
from rigs.paged_plant import ANNA, paged_plant

NAMES = [f"L{number}" for number in range(8)]
MOMENT = "() => performance.timeOrigin + performance.now()"
# When the row was there, by the browser's own clock: what asks from outside would wait between two looks.
WATCH = """(key) => { window.seen = new Promise((done) => {
  const look = () => document.querySelector(`#view-alarms [data-key="${key}"] .priority`)?.textContent && done(performance.timeOrigin + performance.now());
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}); }"""


def plant(folder):
    rules = "".join(
        f'  {name}: {{tag: T{number}, high: 50, priority: {"high" if number % 2 else "medium"}, response: "Close valve {number}"}}\n'
        for number, name in enumerate(NAMES)
    )
    return paged_plant(folder, tags={f"T{number}": number for number in range(len(NAMES))}, rules=rules)


async def raised(here, *names):
    for name in names:
        here.put(NAMES.index(name), 99)
    await here.is_open(*names)


async def test_an_alarm_appears_within_a_second_without_a_reload(here, chrome):
    """From the register in the PLC to the row in the browser, the fastest of five: a busy machine may be late, a page that asks anew is always."""
    async with opened(chrome, here.url) as one:
        took = []
        for name in NAMES[:5]:
            await one.page.evaluate(WATCH, name)
            began = await one.page.evaluate(MOMENT)
            here.put(NAMES.index(name), 99)
            took.append(await one.page.evaluate("window.seen") - began)
            here.put(NAMES.index(name), 0)
            await expect(one.row(name)).to_have_count(0)
        assert min(took) < 1_000
        assert await one.page.evaluate("performance.getEntriesByType('navigation').length") == 1


async def test_an_alarm_is_acknowledged_and_its_event_says_by_whom(here, chrome):
    """Without a token the button asks for one; what was ordered then is done, and the receiver has the name."""
    await raised(here, "L0")
    async with opened(chrome, here.url) as one:
        await one.row("L0").get_by_role("button", name="Acknowledge").click()
        dialog = one.page.get_by_role("dialog")
        await dialog.get_by_label("Token").fill(ANNA)
        await dialog.get_by_role("button", name="Sign in").click()
        await expect(one.row("L0")).to_contain_text("acknowledged by anna")
        await expect(one.row("L0").get_by_role("button", name="Acknowledge")).to_be_hidden()
        assert (await here.told("alarm.acknowledged", "L0"))["by"] == "anna"


async def test_an_alarm_is_shelved_with_reason_and_end_and_taken_back(here, chrome):
    """No reason, no shelf; then it stands aside with its end, and comes back by hand."""
    await raised(here, "L1")
    async with opened(chrome, here.url, token=ANNA, **PHONE) as one:
        await one.row("L1").get_by_role("button", name="Shelve L1").tap()
        dialog = one.page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Shelve").tap()
        await expect(dialog.get_by_role("alert")).to_contain_text("Reason: is needed")
        await dialog.get_by_label("Reason").fill("the valve is being changed")
        await dialog.get_by_text("8 h", exact=True).tap()
        assert not await one.wide()
        await dialog.get_by_role("button", name="Shelve").tap()
        await expect(one.row("L1")).to_contain_text("by anna: the valve is being changed")
        told = await here.told("alarm.shelved", "L1")
        assert (told["by"], told["reason"]) == ("anna", "the valve is being changed")
        shelf = (await here.alarm("L1"))["shelved"]
        assert shelf["by"] == "anna"
        assert 7.9 * 3600 < shelf["for_s"] <= 8 * 3600

        await one.row("L1").get_by_role("button", name="Unshelve L1").tap()
        assert (await here.told("alarm.unshelved", "L1"))["by"] == "anna"
        await expect(one.row("L1").get_by_role("button", name="Shelve L1")).to_be_visible()


async def test_many_are_acknowledged_at_once(here, chrome):
    """Those that are selected, then all that are shown after a question; none that came meanwhile is in it."""
    await raised(here, "L2", "L3", "L4", "L5")
    async with opened(chrome, here.url, token=ANNA) as one:
        for name in ("L2", "L3"):
            await one.page.get_by_label(f"Select {name}").check()
        await one.button("Acknowledge selected (2)").click()
        for name in ("L2", "L3"):
            assert (await here.told("alarm.acknowledged", name))["by"] == "anna"
        await one.page.get_by_role("searchbox").fill("L4")
        await expect(one.row("L5")).to_have_count(0)
        await one.page.get_by_role("button", name=re.compile("Acknowledge all")).click()
        await one.page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
        await here.told("alarm.acknowledged", "L4")
        await one.page.get_by_role("searchbox").fill("")
        await expect(one.row("L5")).to_contain_text("not acknowledged")
        assert not [
            event
            for event in here.cloud.of_type("/cloud", "alarm.acknowledged")
            if event["data"]["rule"] == "L5"
        ]


async def test_by_keyboard_alone(here, chrome):
    """The skip link, the tabs, an alarm acknowledged and shelved; a dialog keeps the focus in and gives it back; Esc."""
    await raised(here, "L6", "L7")
    async with opened(chrome, here.url, token=ANNA) as one:
        keys = one.page.keyboard
        await expect(one.row("L7")).to_be_visible()
        await keys.press("Tab")
        assert await one.page.evaluate("document.activeElement.textContent") == "Skip to the content"
        await keys.press("Enter")
        assert await one.focused() == "main"
        await keys.press("j")
        await reach(one, "L6")
        await keys.press("a")
        assert (await here.told("alarm.acknowledged", "L6"))["by"] == "anna"
        await expect(one.row("L6")).to_contain_text("acknowledged by anna")
        assert await one.focused() == "L6"

        await reach(one, "L7")
        await keys.press("s")
        dialog = one.page.get_by_role("dialog")
        await expect(dialog).to_be_visible()
        for _ in range(20):  # more than it has to be reached
            await keys.press("Tab")
            assert await one.page.evaluate(
                "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
            )
        await keys.press("Escape")
        await expect(one.page.locator("dialog")).to_have_count(0)
        assert await one.focused() == "L7"
        await keys.press("s")
        await keys.type("a sensor is changed")
        await keys.press("Enter")
        assert (await here.told("alarm.shelved", "L7"))["reason"] == "a sensor is changed"


async def reach(one, key):
    """By arrows: up to the first, then down."""
    for arrow in [*["ArrowUp"] * len(NAMES), *["ArrowDown"] * len(NAMES)]:
        if await one.focused() == key:
            return
        await one.page.keyboard.press(arrow)
    assert await one.focused() == key


async def test_the_focus_stays_while_the_list_lives(here, chrome):
    """Whoever stands on an alarm stands there still when a more urgent one comes above it, and others go."""
    async with opened(chrome, here.url, token=ANNA) as one:
        here.put(NAMES.index("L4"), 0)
        await expect(one.row("L4")).to_have_count(0)
        await raised(here, "L4")
        button = one.row("L4").get_by_role("button", name="Shelve L4")
        await button.focus()
        here.put(NAMES.index("L5"), 0)
        await expect(one.row("L5")).to_have_count(0)
        here.put(NAMES.index("L5"), 99)
        await expect(one.row("L5")).to_be_visible()
        await expect(button).to_be_focused()
        rows = one.page.locator("#view-alarms .list").first.locator(".row")
        before = await rows.evaluate_all("(all) => all.map((li) => li.dataset.key)")
        assert before.index("L5") < before.index("L4")
        assert (await here.agent.command("ack", "L5"))[0] == 0
        await expect(one.row("L5")).to_contain_text("acknowledged by")
        after = await rows.evaluate_all("(all) => all.map((li) => li.dataset.key)")
        assert after.index("L4") < after.index("L5")
        await expect(button).to_be_focused()


async def test_a_token_stands_nowhere_but_in_its_header(here, chrome):
    """Not in an address, the document, the history or the console; a wrong one is refused in words; signing out forgets it."""
    wrong = "wrong-0123456789-token"
    async with opened(chrome, here.url) as one:
        one.expects("401")
        await one.sign_in(wrong)
        dialog = one.page.get_by_role("dialog")
        await expect(dialog.get_by_role("alert")).to_contain_text("token")
        await dialog.get_by_label("Token").fill(ANNA)
        await dialog.get_by_role("button", name="Sign in").click()
        await expect(one.button("Sign out")).to_be_visible()
        for view in ("tags", "events", "configuration"):
            await one.show(view)
        document = await one.page.content()
        for token in (ANNA, wrong):
            assert token not in "\n".join([document, one.page.url, *one.asked, *one.said])
        await one.button("Sign out").click()
        await expect(one.button("Sign in")).to_be_visible()
        kept = await one.page.evaluate(
            "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state])"
        )
        assert ANNA not in kept
        assert wrong not in kept
    log = here.agent.log()
    await until(lambda: here.agent.lines, "it has a log")
    assert ANNA not in log
