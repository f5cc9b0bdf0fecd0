"""People in front of a browser: Debian's Chromium without a window, and what a person does on the pages of the application."""

from __future__ import annotations

import shutil

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect

FLAGS = [
    "--no-sandbox",  # Chromium refuses to run as root otherwise, and containers of CI have no user namespaces
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

SHOWN_SECONDS = 10
"""How long a page may take to show something on a small, busy machine."""


def launch(playwright, *flags):
    """Start Chromium with FLAGS beside those it always gets."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "Chromium is not installed: make prepare, or apt-get install chromium"
    expect.set_options(timeout=SHOWN_SECONDS * 1000)
    return playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])


NETWORK_CHANGED = ("ERR_NETWORK_CHANGED", "chrome-error://", "interrupted by another navigation")


def through(action):
    """What ACTION returns; tried again where Chromium gave up because the network of the machine changed.

    It does so whenever a network interface appears, that of any container: not ours, which run already, but those of others.
    """
    for _ in range(5):
        try:
            return action()
        except PlaywrightError as error:
            if not any(mark in error.message for mark in NETWORK_CHANGED):
                raise
    raise AssertionError("containers start on this machine all the time: Chromium cannot finish a request")


class Person:
    """Somebody with a browser of their own: cookies, one page, and what the browser complained about."""

    def __init__(self, stack, chromium, name, password, **options):
        self.address, self.name, self.password = stack.url, name, password
        # The certificate is looked at in smoke/test_tls.py; Chromium would want the authority in a store of its own.
        self.context = chromium.new_context(base_url=stack.url, ignore_https_errors=True, **options)
        self.context.set_default_timeout(SHOWN_SECONDS * 1000)
        self.complaints = []
        self.page = self.context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))

    def _note(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def go(self, path):
        """Open a page; the answer."""
        return through(lambda: self.page.goto(path))

    def sign_in(self):
        """Fill in the login form and send it."""

        def fill_in():
            self.page.goto("/login/")
            self.page.get_by_label("Username").fill(self.name)
            self.page.get_by_label("Password").fill(self.password)
            self.page.get_by_role("button", name="Sign in").click()
            self.page.wait_for_url(f"{self.address}/")

        through(fill_in)
        return self

    @property
    def session(self):
        """Cookies with which another browser of this person is signed in too."""
        return self.context.storage_state()

    def enter(self, room):
        """Open the page of a room and wait until it is connected."""
        self.go(f"/rooms/{room}/")
        self.is_connected()
        return self

    def is_connected(self):
        expect(self.page.locator("#connection")).to_have_attribute("data-state", "connected")

    def say(self, text):
        box = self.page.get_by_role("textbox", name="Message to")
        box.fill(text)
        box.press("Enter")

    @property
    def texts(self):
        """The texts of the messages on the page, from top to bottom."""
        return self.page.locator("#messages .message:not(.pending) .text")
