"""A real Chromium without a window, driven over its DevTools pipe: what a page logs, asks for and shows.

The protocol is JSON with a zero byte after each message, over two inherited pipes (descriptors 3 and 4);
https://chromedevtools.github.io/devtools-protocol/ names the methods.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

PATIENCE = 30.0  # seconds for any one answer
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--hide-scrollbars",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def chromium() -> str:
    """Where it is; what it is called differs between systems."""
    return next(filter(None, map(shutil.which, _PROGRAMS)))


class Browser:
    """One browser; a context manager that starts it and leaves nothing running."""

    def __init__(self, folder: Path) -> None:
        """Prepare; `folder` takes its profile and its log."""
        self._folder = folder
        self._log = folder / "chromium.log"
        self._number = 0
        self._rest = b""
        self._heard: list[dict] = []

    def __enter__(self) -> Self:
        program = chromium()
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        # Descriptors 3 and 4 are the browser's; the shell moves ours there, whatever numbers they have.
        moved = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", moved, "bash", program, *_OPTIONS, f"--user-data-dir={self._folder / 'profile'}"],
                pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "HOME": str(self._folder)},
            )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        return self

    def __exit__(self, *_: object) -> None:
        self._send("Browser.close")
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def open(self, page: Path, *, width: int = 1280, height: int = 900, script: bool = True) -> "Page":
        """Open a file by a reader who prefers light; return once it is loaded, and its scripts unless they are off."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        opened = Page(self, session, page.as_uri())
        for domain in ("Page", "Runtime", "Log", "Network"):
            opened.ask(f"{domain}.enable")
        opened.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        opened.ask("Emulation.setScriptExecutionDisabled", value=not script)
        opened.theme("light")
        opened.ask("Page.navigate", url=opened.url)
        self.hear("Page.loadEventFired", session)
        return opened

    def ask(self, method: str, session: str | None = None, **arguments: object) -> dict:
        """Call a method and return its result; RuntimeError if the browser refuses."""
        number = self._send(method, session, **arguments)
        answer = self._until(lambda message: message.get("id") == number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def hear(self, method: str, session: str) -> dict:
        """Wait for a notice, unless it came already."""
        return self._until(
            lambda message: message.get("method") == method and message.get("sessionId") == session
        )

    def heard(self, session: str, *methods: str) -> list[dict]:
        """What a session has told so far, of these methods."""
        return [
            m["params"] for m in self._heard if m.get("sessionId") == session and m.get("method") in methods
        ]

    def _send(self, method: str, session: str | None = None, **arguments: object) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": arguments}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        return self._number

    def _until(self, wanted) -> dict:
        deadline = time.monotonic() + PATIENCE
        looked = 0
        while True:
            for message in self._heard[looked:]:
                if wanted(message):
                    return message
            looked = len(self._heard)
            if not select.select([self._from], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise TimeoutError(f"the browser does not answer:\n{self._log.read_text()[-2000:]}")
            if not (read := os.read(self._from, 1 << 16)):
                raise RuntimeError(f"the browser has ended:\n{self._log.read_text()[-2000:]}")
            *whole, self._rest = (self._rest + read).split(b"\0")
            self._heard += map(json.loads, whole)


class Page:
    """One open page."""

    def __init__(self, browser: Browser, session: str, url: str) -> None:
        self._browser = browser
        self._session = session
        self.url = url

    def ask(self, method: str, **arguments: object) -> dict:
        """Call a method of the protocol for this page."""
        return self._browser.ask(method, self._session, **arguments)

    def run(self, script: str) -> object:
        """Evaluate an expression in the page and return its value."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description"))
        return answer["result"].get("value")

    def theme(self, scheme: str) -> None:
        """Make the page believe that its reader prefers `light` or `dark`."""
        self.ask(
            "Emulation.setEmulatedMedia",
            media="",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def key(self, key: str, text: str = "") -> None:
        """Press a key on what has the focus."""
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, **({"text": text} if text else {}))
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Move the mouse with its button held; places in the window."""
        self._mouse("mouseMoved", begin, 0)
        self._mouse("mousePressed", begin, 1)
        self._mouse("mouseMoved", end, 1)
        self._mouse("mouseReleased", end, 0)

    def picture(self, file: Path, *, whole: bool = True) -> None:
        """Write what it looks like as PNG: all of the page, or the window."""
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        file.write_bytes(base64.b64decode(data))

    @property
    def problems(self) -> list[str]:
        """Errors and warnings: exceptions, the console's, refusals of the page's policy."""
        self.run("0")  # what was reported before this answer has been read
        thrown = [notice["exceptionDetails"]["text"] for notice in self._heard("Runtime.exceptionThrown")]
        logged = [notice["entry"]["text"] for notice in self._heard("Log.entryAdded")]
        console = [
            str(notice["args"])
            for notice in self._heard("Runtime.consoleAPICalled")
            if notice["type"] != "log"
        ]
        return thrown + logged + console

    @property
    def requests(self) -> list[str]:
        """All that it asked for besides itself."""
        urls = [notice["request"]["url"] for notice in self._heard("Network.requestWillBeSent")]
        return [url for url in urls if url.partition("#")[0] != self.url]

    def _heard(self, *methods: str) -> list[dict]:
        return self._browser.heard(self._session, *methods)

    def _mouse(self, kind: str, place: tuple[float, float], buttons: int) -> None:
        pressed = "none" if kind == "mouseMoved" and not buttons else "left"
        x, y = place
        self.ask(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button=pressed, buttons=buttons, clickCount=1
        )
