"""Fixtures of the browser tests: people, each with a browser window of their own, and rooms to meet in."""

from __future__ import annotations

import re
import secrets
import uuid
from pathlib import Path

import pytest
from people import Person, launch, through
from playwright.sync_api import expect, sync_playwright

ARTIFACTS = Path(__file__).parents[1] / ".artifacts"
"""A picture of every open page of a test that failed."""

PHONE = {"width": 320, "height": 568}
"""The narrowest screen that people still use."""


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


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

    def make():
        name = f"browser-{uuid.uuid4().hex[:8]}"
        staff.page.goto("/")
        staff.page.get_by_label("New room").fill(name)
        staff.page.get_by_role("button", name="Make room").click()
        staff.page.wait_for_url(f"**/rooms/{name}/")
        return name

    name = through(make)
    staff.go("/")  # nobody is in the new room
    return name
