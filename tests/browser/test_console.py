"""The console in a browser: live, by keyboard, with its actions."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "tests/.artifacts"

pytestmark = [pytest.mark.writes, pytest.mark.variants("default")]


def test_processes_are_shown_live(anna):
    anna.go("/console/")
    expect(anna.page.locator("#state")).to_have_text("Live")
    rows = anna.page.locator("#processes tbody tr")
    for service in ("http", "ws", "worker"):
        expect(rows.filter(has_text=re.compile(rf"^\s*{service}")).first).to_be_visible()
    expect(anna.page.locator("#plots figure")).to_have_count(6)
    assert anna.complaints == []


@pytest.mark.parametrize("width", [961, 1280])
def test_no_value_is_parted_from_its_unit(anna, width):
    """As soon as a process is a row of a table; narrower it is a card."""
    anna.page.set_viewport_size({"width": width, "height": 700})
    anna.go("/console/")
    rows = anna.page.locator("#processes tbody tr")
    expect(rows.first).to_be_visible()
    for what in ("time", ".state"):
        # A text that wraps has a rectangle for each of its lines.
        lines = rows.locator(what).evaluate_all(
            "all => all.map(one => { const text = document.createRange(); text.selectNodeContents(one);"
            " return text.getClientRects().length })"
        )
        assert set(lines) == {1}, (what, lines)
    assert anna.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_socket_appears_and_is_closed(anna, berta, room):
    anna.go(f"/console/sockets/?q={room}")
    expect(anna.page.locator("#live")).to_contain_text("0 fit")
    berta.enter(room)
    row = anna.page.locator("#sockets tbody tr").filter(has_text=berta.name)
    expect(row).to_contain_text(f"/ws/rooms/{room}/")
    link = row.get_by_role("link", name="Close")
    address = link.get_attribute("href")
    link.click()
    expect(anna.page.get_by_role("button", name="Close")).to_be_focused()
    anna.page.keyboard.press("Enter")
    expect(anna.page.get_by_role("status")).to_have_text("Done: 1.")
    # The page of the room stays away, says why, and comes back when its user wants to.
    expect(berta.page.locator("#connection")).to_have_text(re.compile("Disconnected: closed by an operator"))
    anna.go(f"/console/sockets/?q={room}")
    expect(anna.page.locator("#live")).to_contain_text("0 fit")
    assert anna.page.locator(f'a[href="{address}"]').count() == 0
    berta.page.get_by_role("link", name="Reconnect").click()
    berta.is_connected()
    assert anna.complaints == []


def test_pause_holds_the_page(anna):
    anna.go("/console/")
    expect(anna.page.locator("#state")).to_have_text("Live")
    anna.page.get_by_role("button", name="Pause").press("Enter")
    expect(anna.page.locator("#state")).to_have_text("Paused")
    anna.page.get_by_role("button", name="Pause").press("Enter")
    expect(anna.page.locator("#state")).to_have_text("Live")


def test_picture_for_the_docs(anna):
    """docs/how-to/console.png is such a picture, taken while people were talking."""
    anna.go("/console/")
    expect(anna.page.locator("#state")).to_have_text("Live")
    picture = ARTIFACTS / "console.png"
    anna.page.screenshot(path=picture)
    assert 10_000 < picture.stat().st_size < 150_000
    assert 10_000 < (ROOT / "docs/how-to/console.png").stat().st_size < 150_000


def test_console_is_for_staff(berta):
    assert berta.go("/console/").status == 403
