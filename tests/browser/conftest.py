"""Fixtures of the browser tests: people, each with a browser window of their own, and rooms to meet in."""

from __future__ import annotations

import re
import secrets
import shutil
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect, sync_playwright

ARTIFACTS = Path(__file__).parents[1] / ".artifacts"
"""A picture of every open page of a test that failed."""

FLAGS = [
    "--no-sandbox",  # Chromium refuses to run as root otherwise, and containers of CI have no user namespaces
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE = {"width": 320, "height": 568}
"""The narrowest screen that people still use."""

SHOWN_SECONDS = 10
"""How long a page may take to show something on a small, busy machine."""


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium, without a window."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "Chromium is not installed: make prepare, or apt-get install chromium"
    expect.set_options(timeout=SHOWN_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


NETWORK_CHANGED = ("ERR_NETWORK_CHANGED", "chrome-error://")


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


PEOPLE = pytest.StashKey[list[Person]]()
"""Everybody whom a test met."""


@pytest.fixture
def open_browser(stack, chromium, request):
    """A function (name, password, …) -> a Person who has not signed in yet."""
    people = request.node.stash[PEOPLE] = []

    def opened(name=stack.user, password=stack.password, **options):
        people.append(Person(stack, chromium, name, password, **options))
        return people[-1]

    yield opened
    for person in people:
        person.context.close()


@pytest.fixture(scope="session")
def staff(stack, chromium):
    """The stack's first user, who is staff, signed in for the whole run."""
    person = Person(stack, chromium, stack.user, stack.password).sign_in()
    yield person
    person.context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where a test failed, keep a picture of each page, and print what the browsers complained about."""
    report = yield
    for person in item.stash.get(PEOPLE, []) if report.failed and report.when != "teardown" else ():
        picture = ARTIFACTS / (re.sub(r"\W+", "-", f"{item.name}-{person.name}") + ".png")
        person.page.screenshot(path=picture)
        text = "\n".join([person.page.url, str(picture), *person.complaints])
        report.sections.append((f"browser of {person.name}", text))
    return report


@pytest.fixture(scope="session")
def member(stack, chromium, staff):
    """A second user, who is not staff, made on the admin pages as staff would; signed in for the whole run."""
    name, password = f"berta-{uuid.uuid4().hex[:6]}", secrets.token_urlsafe(12)
    staff.go("/admin/auth/user/add/")
    staff.page.get_by_label("Username").fill(name)
    staff.page.locator("#id_password1").fill(password)
    staff.page.locator("#id_password2").fill(password)
    staff.page.get_by_role("button", name="Save", exact=True).click()
    expect(staff.page.locator(".messagelist .success")).to_contain_text(name)
    person = Person(stack, chromium, name, password).sign_in()
    yield person
    person.context.close()


@pytest.fixture
def anna(open_browser, staff):
    """A new browser of the first user, who is staff."""
    return open_browser(staff.name, staff.password, storage_state=staff.session)


@pytest.fixture
def berta(open_browser, member):
    """A new browser of the second user."""
    return open_browser(member.name, member.password, storage_state=member.session)


@pytest.fixture
def phone(open_browser, staff):
    """A narrow telephone of the first user."""
    return open_browser(storage_state=staff.session, viewport=PHONE, is_mobile=True)


@pytest.fixture
def room(staff):
    """The slug of a new room, made on the page of rooms."""
    name = f"browser-{uuid.uuid4().hex[:8]}"
    staff.go("/")
    staff.page.get_by_label("New room").fill(name)
    staff.page.get_by_role("button", name="Make room").click()
    staff.page.wait_for_url(f"**/rooms/{name}/")
    staff.go("/")  # nobody is in the new room
    return name
