"""The JavaScript client in Chromium, and a stock project under plain uvicorn whose process is killed, ended, stopped."""

from __future__ import annotations

import uuid

import pytest
from support.polling import until

CUTS = "seen.states.filter(([state]) => state === 'waiting').length"


@pytest.fixture
def group() -> str:
    return f"room.{uuid.uuid4().hex[:8]}"


def test_nothing_is_lost_or_doubled_while_the_server_is_killed_and_restarted(server, tab, group):
    tabs = [tab().start(f"/room/{group}/{name}/") for name in ("anna", "berta")]
    for each in tabs:
        each.is_connected()
    count = 800
    server.publish(group, count, 0.01)
    for number, name in enumerate(("KILL", "TERM", "KILL")):
        # Each cut in the midst of what is published.
        tabs[0].waits_for(f"client.state === 'connected' && seen.messages.length > {40 + 200 * number}")
        cuts = tabs[0].run(CUTS)
        server.signal(name)
        tabs[0].waits_for(f"{CUTS} > {cuts}")
    for each in tabs:
        each.waits_for(f"seen.messages.length >= {count}")
        assert each.seen("messages") == [str(number) for number in range(count)]
        assert each.seen("lost") == []
        assert set(each.seen("recovered")) == {group}
    codes = {code for state, code, _ in tabs[0].seen("states") if state == "waiting"}
    assert {1006, 1012} <= codes
    # At once, spread over a second.
    assert all(pause < 1000 for _, code, pause in tabs[0].seen("states") if code == 1012)


def test_a_line_that_is_dead_is_noticed_by_its_own_ping(server, tab, group):
    page = tab().start(f"/room/{group}/anna/", ping=300, timeout=1000)
    page.is_connected()
    server.signal("STOP")
    try:
        # The established line, then a handshake that is never answered.
        page.waits_for(
            'seen.states.filter(([state, code]) => state === "waiting" && code === 1006).length >= 2'
        )
        server.publish(group, 20)
    finally:
        server.signal("CONT")
    page.waits_for("seen.messages.length >= 20")
    assert page.seen("messages") == [str(number) for number in range(20)]


def test_a_quiet_line_that_lives_is_kept(server, tab, group):
    page = tab().start(f"/room/{group}/anna/", ping=100, timeout=60_000)
    page.is_connected()
    begun = page.run("performance.now()")
    page.waits_for(f"performance.now() > {begun} + 2000")  # many pings
    assert page.run("client.send('still here')")
    page.waits_for("seen.messages.length")
    assert page.seen("messages") == ["still here"]  # no ping reaches the consumer, no answer the page
    assert [state for state, *_ in page.seen("states")] == ["connecting", "connected"]


def test_what_is_sent_meanwhile_waits_within_its_bound(tab, group):
    page = tab()
    # In one turn of the page, before the handshake can be through.
    start = f"start('/room/{group}/anna/', {{queue: 3}})"
    taken = page.run(f"(() => {{ {start}; return [1, 2, 3, 4].map((each) => client.send(`${{each}}`)); }})()")
    assert taken == [True, True, True, False]
    page.waits_for("seen.messages.length >= 3")
    page.run("client.send(new Uint8Array([0, 255]))")
    page.waits_for("seen.messages.length >= 4")
    assert page.seen("messages") == ["1", "2", "3", [0, 255]]
    assert page.run("(() => { client.close(); return client.send('late'); })()") is False


@pytest.mark.parametrize("code", [4401, 1008])
def test_it_stops_where_another_attempt_would_end_the_same_way(tab, group, code):
    page = tab().start(f"/room/{group}/anna/")
    page.is_connected()
    page.run(f"client.send('close {code}')")
    page.waits_for('client.state === "stopped"')
    assert page.seen("states")[-1][:2] == ["stopped", code]
    assert page.run("client.send('x')") is False


def test_it_spares_a_server_that_has_no_room(tab, group):
    page = tab().start(f"/room/{group}/anna/")
    page.is_connected()
    page.run("client.send('close 1013')")
    page.waits_for('client.state === "waiting"')
    page.run("window.dispatchEvent(new Event('online'))")
    assert page.run("client.state") == "waiting"
    _, code, pause = page.seen("states")[-1]
    assert code == 1013 and 5000 <= pause <= 10_000


def test_after_a_refusal_the_pauses_grow_and_online_ends_one(tab):
    page = tab().start("/refused/")
    page.waits_for("seen.states.length >= 6")
    states = page.seen("states")
    assert {state for state, *_ in states} == {
        "connecting",
        "waiting",
    }  # 403 cannot be seen: it does not stop
    pauses = [pause for state, _, pause in states if state == "waiting"]
    assert all(pause <= 500 * 2**number for number, pause in enumerate(pauses))
    # Each in one turn of the page, at a moment when the client waits.
    for event, after in (("offline", "waiting"), ("online", "connecting")):
        turn = f"client.state === 'waiting' && (window.dispatchEvent(new Event('{event}')), client.state)"
        assert until(lambda turn=turn: page.run(turn), what="it waits") == after


def test_what_cannot_be_recovered_is_said(server, tab, group):
    forged = f"{'f' * 16}.1.{'0' * 16}"
    page = tab().start(f"/room/{group}/anna/", positions={group: forged})
    page.waits_for("seen.lost.length")
    assert page.seen("lost") == [group]
    server.publish(group, 3)
    page.waits_for("seen.messages.length >= 3")
    assert page.run("client.positions")[group] != forged


def test_a_new_page_goes_on_from_the_positions_of_an_earlier_one(server, tab, group):
    page = tab().start(f"/room/{group}/anna/")
    page.is_connected()
    positions = page.run("(() => { client.close(); return client.positions; })()")
    server.publish(group, 5)
    page.start(f"/room/{group}/anna/", positions=positions)
    page.waits_for("seen.messages.length >= 5")
    assert page.seen("messages") == list("01234")
    assert page.seen("recovered") == [group]


def test_who_is_present_is_shown_and_who_has_left_is_not(tab, group):
    anna, berta = tab().start(f"/room/{group}/anna/"), tab()
    anna.is_connected()
    berta.start(f"/room/{group}/berta/")
    anna.waits_for("seen.presence.at(-1).count === 2")
    assert anna.here == ["anna", "berta"]
    berta.run("client.close()")
    anna.waits_for("seen.presence.at(-1).count === 1")
    assert anna.here == ["anna"]
    changes = [
        (each["joined"], each["left"])
        for each in anna.seen("presence")
        if "berta" in each["joined"] + each["left"]
    ]
    assert changes == [(["berta"], []), ([], ["berta"])]


def test_an_exception_of_the_page_ends_nothing(tab, group):
    page = tab().start(f"/room/{group}/anna/")
    start = f"start('/room/{group}/anna/', {{onPresence() {{ throw Error('of the page'); }}}})"
    page.run(f"(() => {{ client.close(); {start}; }})()")
    page.waits_for('client.state === "connected"')
    page.run("client.send('after')")
    page.waits_for("seen.messages.length")
    until(lambda: page.complaints, what="the page complains")
    assert page.complaints and all("of the page" in each for each in page.complaints)
    page.complaints.clear()
