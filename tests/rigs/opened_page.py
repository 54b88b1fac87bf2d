"""The agent's page in a real browser: opened as a person has it, and watched for all that a page must never do.

A page that logs an error, breaks its own policy or asks anybody but its agent fails the test that opened it, when
it is closed; what a test provokes (an order that is refused, an agent that is killed) it says before, by `expects`.
"""

import asyncio
import re
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, async_playwright, expect
from rigs.browser import chromium

PATIENCE_MS = 30_000
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 900}}
VIEWS = ("alarms", "tags", "sources", "destinations", "events", "letters", "inbound", "configuration")
# A text may go on beyond the edge within what scrolls by itself, or where it is cut on purpose.
WIDE = """() => {
  if (document.documentElement.scrollWidth > innerWidth) return "the page";
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  const cut = (el) => el && (getComputedStyle(el).overflowX !== "visible" || cut(el.parentElement));
  while (texts.nextNode()) {
    const el = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !el.checkVisibility()) continue;
    range.selectNodeContents(texts.currentNode);
    if (range.getBoundingClientRect().right > innerWidth + 1 && !cut(el)) return `${el.tagName}.${el.className}: ${el.textContent.slice(0, 40)}`;
  }
  return "";
}"""
_OPTIONS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
_UNREACHABLE = re.compile(
    r"ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE"
)


class Opened:
    """One page.

    Attributes:
        page: playwright's own.
        said: every line of its console, and every exception that nobody has caught.
        asked: every address that it asked for.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.said: list[str] = []
        self.asked: list[str] = []
        self._expected: list[re.Pattern] = []
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"thrown: {error}"))
        page.on("request", lambda request: self.asked.append(request.url))

    def expects(self, *problems: str) -> None:
        """What the console may say, as a part of it."""
        self._expected += [re.compile(re.escape(each)) for each in problems]

    def expects_an_agent_that_is_away(self) -> None:
        """Browsers themselves log each request that nobody answers."""
        self._expected.append(_UNREACHABLE)

    @property
    def problems(self) -> list[str]:
        """What must not be."""
        elsewhere = [
            url for url in self.asked if urlsplit(url).scheme != "data" and not url.startswith(self.url)
        ]
        told = [text for text in self.said if text.startswith(("error: ", "warning: ", "thrown: "))]
        said = [text for text in told if not any(known.search(text) for known in self._expected)]
        return said + [f"asked elsewhere: {url}" for url in elsewhere]

    # --- what a person does and sees --------------------------------------------------------------------

    def row(self, key: str):
        """The row of an alarm, source, destination or dead letter, in the view that is shown."""
        return self.page.locator(f'section:not([hidden]) [data-key="{key}"]')

    def button(self, name: str):
        """By the name that a screen reader says, exactly."""
        return self.page.get_by_role("button", name=name, exact=True)

    async def show(self, view: str) -> None:
        """By its tab."""
        await self.page.locator(f'nav a[href="#{view}"]').click()
        await expect(self.page.locator(f"#view-{view}")).to_be_visible()

    async def sign_in(self, token: str) -> None:
        await self.button("Sign in").first.click()
        dialog = self.page.get_by_role("dialog")
        await dialog.get_by_label("Token").fill(token)
        await dialog.get_by_role("button", name="Sign in").click()

    async def focused(self) -> str:
        """What has the focus, by the name that is said of it, else by its row."""
        return await self.page.evaluate(
            """() => { const el = document.activeElement;
            return el.getAttribute("aria-label") ?? el.dataset.key ?? el.id ?? el.tagName; }"""
        )

    async def wide(self) -> str:
        """What is wider than the window, or cut off at its edge; empty: nothing is."""
        return await self.page.evaluate(WIDE)


@asynccontextmanager
async def browser():
    """One Chromium that knows no other name or address than this machine's; without its sandbox, for root has none."""
    async with async_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        chrome = await playwright.chromium.launch(executable_path=chromium(), args=_OPTIONS)
        try:
            yield chrome
        finally:
            await chrome.close()


@asynccontextmanager
async def opened(chrome: Browser, url: str, *, at: str = "", token: str = "", **look: object):
    """Open the page for somebody with a profile of his own; `at`: behind the #; `token`: signed in already.

    Raises:
        AssertionError: at the end, when it did what a page must not do.
    """
    context = await chrome.new_context(**{**DESK, "locale": "en-GB", "timezone_id": "Europe/Berlin", **look})
    context.set_default_timeout(PATIENCE_MS)
    try:
        one = Opened(await context.new_page(), url)
        if token:
            await context.add_init_script(f'sessionStorage.setItem("edge-relay token", "{token}")')
        await one.page.goto(f"{url}#{at}" if at else url)
        await expect(one.page.locator("html")).to_have_attribute("data-standing", re.compile("live|refused"))
        yield one
        await asyncio.sleep(0)  # what was reported before has been heard
        assert not one.problems, "\n".join(one.problems)
    finally:
        await context.close()
