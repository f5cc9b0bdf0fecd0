"""What people see and do: talk in a room, be cut off and catch up, order a report."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.writes, pytest.mark.variants("default")]


def test_two_people_talk(anna, berta, room):
    anna.enter(room), berta.enter(room)
    anna.say("Good morning")
    expect(berta.texts).to_have_text(["Good morning"])
    berta.say("Hello Anna")
    expect(anna.texts).to_have_text(["Good morning", "Hello Anna"])


def test_a_part_of_the_page_that_did_not_load_is_loaded_again(anna, room):
    lost = []

    def lose(route):
        """The first three requests, as where somebody walks out of one network into another."""
        lost.append(route.request.url)
        route.abort("internetdisconnected") if len(lost) <= 3 else route.continue_()

    anna.page.route("**/recoverable*.js*", lose)
    anna.enter(room)
    anna.say("Good morning")
    expect(anna.texts).to_have_text(["Good morning"])
    assert len(lost) >= 4
    anna.complaints.clear()  # Chromium's, of the lost requests


def test_people_see_who_is_here(anna, berta, room):
    anna.enter(room), berta.enter(room)
    expect(anna.page.locator("#present li")).to_have_text([f"{anna.name} (you)", berta.name])
    berta.go("/")
    expect(anna.page.locator("#present li")).to_have_text([f"{anna.name} (you)"])


def test_people_see_who_is_typing(anna, berta, room):
    anna.enter(room), berta.enter(room)
    berta.page.get_by_role("textbox", name="Message to").press_sequentially("Well")
    expect(anna.page.locator("#typing")).to_have_text(f"{berta.name} is typing…")


def test_who_is_cut_off_sees_it_and_catches_up_in_order_and_once(anna, berta, room):
    anna.enter(room), berta.enter(room)
    anna.say("before")
    expect(berta.texts).to_have_text(["before"])
    berta.context.set_offline(True)
    expect(berta.page.locator("#connection")).not_to_have_attribute("data-state", "connected", timeout=30_000)
    missed = [f"missed {number}" for number in range(12)]
    for text in missed:
        anna.say(text)
    expect(anna.texts).to_have_text(["before", *missed])
    expect(berta.texts).to_have_text(["before"])
    berta.context.set_offline(False)
    berta.is_connected()
    expect(berta.texts).to_have_text(["before", *missed])
    anna.say("after")
    expect(berta.texts).to_have_text(["before", *missed, "after"])


def test_what_is_said_while_cut_off_is_sent_later_and_once(anna, berta, room):
    anna.enter(room), berta.enter(room)
    berta.context.set_offline(True)
    expect(berta.page.locator("#connection")).not_to_have_attribute("data-state", "connected", timeout=30_000)
    berta.say("said in the tunnel")
    expect(berta.page.locator("#messages .pending")).to_have_count(1)
    berta.context.set_offline(False)
    expect(anna.texts).to_have_text(["said in the tunnel"])
    expect(berta.texts).to_have_text(["said in the tunnel"])


def test_report_moves_and_stays(anna, room):
    anna.enter(room)
    anna.page.evaluate(
        """() => {
            window.seen = [];
            const look = () => {
                const bar = document.querySelector("#messages .report progress");
                if (bar && window.seen.at(-1) !== bar.value) window.seen.push(bar.value);
            };
            new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
        }"""
    )
    anna.say("something to count")
    anna.say("/report")
    report = anna.page.locator("#messages .report")
    expect(report).to_have_attribute("data-state", "done")
    expect(report).to_contain_text("1 by 1 person")
    seen = anna.page.evaluate("window.seen")
    assert len(seen) > 2 and seen == sorted(seen) and seen[-1] == 100, f"the bar did not move: {seen}"
    anna.page.reload()
    expect(anna.page.locator("#messages .report")).to_contain_text("1 by 1 person")


def test_older_messages_come_when_asked_for(anna, room):
    anna.enter(room)
    texts = [f"number {number}" for number in range(60)]
    for number, text in enumerate(texts, start=1):
        anna.say(text)
        expect(anna.texts).to_have_count(number)  # no faster than the room allows
    anna.page.reload()
    anna.is_connected()
    expect(anna.texts).to_have_count(50)
    anna.page.locator("#log").evaluate("log => { log.scrollTop = 0 }")
    expect(anna.texts).to_have_text(texts)


def test_keyboard_is_enough(stack, open_browser, anna, room):
    person = open_browser()
    person.go("/login/")
    page = person.page
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type(stack.user)
    page.keyboard.press("Tab")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(stack.password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{stack.url}/")
    link = page.get_by_role("link", name=re.compile(room))
    for _ in range(60):
        page.keyboard.press("Tab")
        if link.evaluate("link => link === document.activeElement"):
            break
    else:
        raise AssertionError("the room's link cannot be reached with the Tab key")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/rooms/{room}/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "connected")
    expect(page.get_by_role("textbox", name="Message to")).to_be_focused()
    page.keyboard.type("no mouse here")
    page.keyboard.press("Enter")
    expect(anna.enter(room).texts).to_have_text(["no mouse here"])


@pytest.mark.parametrize("path", ["/", "/rooms/{room}/", "/console/", "/console/sockets/", "/login/"])
def test_phone_needs_no_sideways_scrolling(phone, room, path):
    if path == "/login/":
        phone.context.clear_cookies()
    phone.go(path.format(room=room))
    phone.page.wait_for_load_state("load")
    sizes = phone.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert sizes == [320, 320], f"{path} is {sizes[0]} px wide in a window of {sizes[1]} px"


@pytest.mark.parametrize("path", ["/", "/rooms/{room}/", "/console/", "/console/groups/", "/admin/"])
def test_browser_complains_about_nothing(anna, room, path):
    """No console error, no exception, no violation of the content security policy."""
    anna.go(path.format(room=room))
    anna.page.wait_for_load_state("load")
    if "rooms" in path:
        anna.is_connected()
        anna.say("hello")
        expect(anna.texts).to_have_text(["hello"])
    assert anna.complaints == []
