"""Talking in a room: order, replay, healing, presence, limits."""

import asyncio
import json

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db import OperationalError
from room_client import SECONDS, RoomClient, joined, open_socket, page
from rooms import consumers, frames, store
from rooms.models import Message, Room

pytestmark = pytest.mark.asyncio


async def test_two_users_talk(room, ann, bob):
    async with joined(room, ann) as one, joined(room, bob) as other:
        nonce = await one.say("hello <b>bob</b>")
        for client in (one, other):
            heard = await client.hear("message")
            assert (heard["sequence"], heard["user"], heard["text"]) == (1, ann.username, "hello <b>bob</b>")
            assert heard["nonce"] == nonce
        await other.say("hello ann")
        assert (await one.hear("message"))["text"] == "hello ann"


async def test_welcome_comes_first(room, ann, say):
    await sync_to_async(say)(room, ann, "a", "b")
    async with joined(room, ann) as client:
        assert await client.next() == {
            "type": "welcome", "user": ann.username, "room": room.slug, "last": 2, "after": 0,
        }  # fmt: skip


async def test_message_is_stored_before_it_is_heard(room, ann):
    async with joined(room, ann) as client:
        await client.say("kept")
        heard = await client.hear("message")
        stored = await Message.objects.aget(room=room, sequence=heard["sequence"])
        assert stored.text == "kept"


async def test_rooms_do_not_hear_each_other(room, ann, bob):
    other_room = await Room.objects.acreate(slug=f"{room.slug}-2", name="Other")
    async with joined(room, ann) as here, joined(other_room, bob) as there:
        await here.say("only here")
        await here.hear("message")
        await there.say("only there")
        assert (await there.hear("message"))["text"] == "only there"


@pytest.mark.parametrize(
    ("last", "first"),
    [(0, 11), (1, 2), (55, 56), (60, None), (61, 11), (-1, 11), ("x", 11), ("9" * 30, 11), ("", 11)],
)
async def test_replay_begins_behind_last(room, ann, say, last, first):
    await sync_to_async(say)(room, ann, *(f"text {number}" for number in range(1, 61)))
    async with joined(room, ann, last) as client:
        heard = [
            frame["sequence"] for frame in await client.hear_until("presence") if frame["type"] == "message"
        ]
    assert heard == (list(range(first, 61)) if first else [])


async def test_client_too_far_behind_starts_again(room, ann, say, monkeypatch):
    monkeypatch.setattr(consumers, "LONGEST_REPLAY", 55)
    await sync_to_async(say)(room, ann, *("text" for _ in range(60)))
    async with joined(room, ann, 3) as client:
        assert (await client.hear("welcome"))["after"] == 10
        assert (await client.hear("message"))["sequence"] == 11


async def test_what_is_said_during_the_replay_comes_once_and_in_order(room, ann, say, monkeypatch):
    await sync_to_async(say)(room, ann, *("before" for _ in range(30)))
    read = store.messages_after

    def read_while_others_talk(room_id, sequence):
        found = read(room_id, sequence)
        if sequence == 0:
            for row in say(room, ann, *("meanwhile" for _ in range(5))):
                frame = json.dumps(frames.message(row))
                event = {"type": "room.message", "sequence": row.sequence, "frame": frame}
                async_to_sync(get_channel_layer().group_send)(room.group, event)
        return found

    monkeypatch.setattr(store, "messages_after", read_while_others_talk)
    async with joined(room, ann) as client:
        heard = []
        while len(heard) < 35:
            heard.append((await client.hear("message"))["sequence"])
        nonce = await client.say("after")
        rest = [
            frame["sequence"]
            for frame in await client.hear_until("message", nonce=nonce)
            if "sequence" in frame
        ]
    assert heard + rest == list(range(1, 37))


async def test_gap_in_live_messages_is_filled_from_the_database(room, ann, bob, say):
    async with joined(room, ann) as client, joined(room, bob) as other:
        await client.hear("presence")
        await sync_to_async(say)(room, bob, "lost 1", "lost 2")  # stored, but the layer lost the events
        await other.say("third")
        heard = [await client.hear("message") for _ in range(3)]
    assert [(frame["sequence"], frame["text"]) for frame in heard] == [
        (1, "lost 1"),
        (2, "lost 2"),
        (3, "third"),
    ]


async def test_late_and_double_events_are_dropped(room, ann):
    async with joined(room, ann) as client:
        await client.say("one")
        await client.hear("message")
        for _ in range(2):
            await get_channel_layer().group_send(
                room.group,
                {"type": "room.message", "sequence": 1, "frame": '{"type": "message", "sequence": 1}'},
            )
        nonce = await client.say("two")
        heard = [
            frame for frame in await client.hear_until("message", nonce=nonce) if frame["type"] == "message"
        ]
    assert [frame["sequence"] for frame in heard] == [2]


async def test_a_page_that_comes_back_gets_what_it_has_missed_without_the_database(
    room, ann, bob, monkeypatch
):
    async with page(room, ann) as client, joined(room, bob) as other:
        assert (await client.hear("subscribed"))["recovered"] is None
        await other.hear("presence")
        await other.say("heard")
        await client.hear("message")
    async with joined(room, bob, 1) as other:
        await other.hear("presence")
        for number in range(3):
            await other.say(f"missed {number}")
            await other.hear("message")
    monkeypatch.setattr(store, "messages_after", None)  # whoever calls it fails
    monkeypatch.setattr(store, "reports", None)
    async with page(room, ann, 1, client.position) as client:
        assert (await client.hear("subscribed"))["recovered"] is True
        heard = [(await client.hear("message"))["text"] for _ in range(3)]
    assert heard == ["missed 0", "missed 1", "missed 2"]


async def test_what_the_history_has_no_more_comes_from_the_database(room, ann, bob, say):
    async with page(room, ann) as client, joined(room, bob) as other:
        await other.hear("presence")
        await other.say("heard")
        await client.hear("message")
    await sync_to_async(say)(room, bob, "missed 1", "missed 2")
    forged = f"{'f' * 16}.1.{'0' * 16}"
    async with page(room, ann, 1, forged) as client:
        assert (await client.hear("subscribed"))["recovered"] is False
        assert [(await client.hear("message"))["text"] for _ in range(2)] == ["missed 1", "missed 2"]


async def test_what_was_sent_to_no_one_is_noticed_by_who_comes_back(room, ann, bob, say):
    async with page(room, ann) as client, joined(room, bob) as other:
        await other.hear("presence")
        await other.say("heard")
        await client.hear("message")
    await sync_to_async(say)(room, bob, "nobody was told")
    async with page(room, ann, 1, client.position) as client:
        assert (await client.hear("subscribed"))["recovered"] is True
        assert (await client.hear("message"))["text"] == "nobody was told"


async def test_when_redis_has_lost_events_the_database_says_the_rest(room, ann, bob, say):
    layer = get_channel_layer()
    async with page(room, ann) as client, joined(room, bob) as other:
        await other.hear("presence")
        await other.say("heard")
        await client.hear("message")
        await sync_to_async(say)(room, bob, "lost")
        redis = await layer.connections.client()
        await redis.delete(layer.names.position(room.group), layer.names.history(room.group))
        assert (await client.hear("message"))["text"] == "lost"


async def test_who_writes_is_not_kept_for_who_comes_back(room, ann, bob):
    async with page(room, ann) as client, joined(room, bob) as other:
        await other.hear("presence")
        await other.say("heard")
        await client.hear("message")
    async with joined(room, bob, 1) as other:
        await other.hear("presence")
        await other.send({"type": "typing"})
        await other.say("after")
        await other.hear("message")
    async with page(room, ann, 1, client.position) as client:
        kinds = [frame["type"] for frame in await client.hear_until("message")]
    assert kinds == ["welcome", "subscribed", "message"]


OF_THE_RELEASE_BEFORE = (
    {"type": "room.presence", "frame": '{"type": "presence", "users": ["old"]}'},
    {"type": "room.typing", "frame": '{"type": "typing", "user": "old"}', "connection": "6f1c3f9e"},
    {"type": "room.report", "frame": '{"type": "report", "id": 0, "state": "running"}'},
)


async def test_processes_of_the_release_before_are_understood(room, ann):
    """They serve the same rooms while they are replaced, and after a rollback."""
    async with page(room, ann) as client:
        await client.hear("presence")
        for event in OF_THE_RELEASE_BEFORE:
            await get_channel_layer().group_send(room.group, event)
        nonce = await client.say("still here")
        kinds = [frame["type"] for frame in await client.hear_until("message", nonce=nonce)]
    assert kinds == ["typing", "report", "message"]


async def test_same_nonce_is_one_message(room, ann):
    async with joined(room, ann) as client:
        nonce = await client.say("once")
        await client.hear("message", nonce=nonce)
        await client.say("once", nonce)
        other = await client.say("next")
        heard = [
            frame for frame in await client.hear_until("message", nonce=other) if frame["type"] == "message"
        ]
    # The first is for its author alone, who has not got the answer.
    assert [frame["sequence"] for frame in heard] == [1, 2]
    assert await Message.objects.filter(room=room).acount() == 2


async def test_same_nonce_of_two_users_is_two_messages(room, ann, bob):
    async with joined(room, ann) as one, joined(room, bob) as other:
        await one.say("mine", "n")
        await one.hear("message", user=ann.username)
        await other.say("mine too", "n")
        assert (await other.hear("message", user=bob.username))["sequence"] == 2


async def test_sequences_have_no_gap_when_many_write_at_once(room, ann):
    def post(number):
        # Every text is sent twice, as by a client that was cut off.
        return store.post(room, ann, f"text {number}", f"nonce {number // 2}")

    await asyncio.gather(
        *(database_sync_to_async(post, thread_sensitive=False)(number) for number in range(60))
    )
    rows = Message.objects.filter(room=room).order_by("sequence")
    assert [row.sequence async for row in rows] == list(range(1, 31))
    await room.arefresh_from_db()
    assert room.last_sequence == 30


async def test_history_goes_back_page_by_page(room, ann, say):
    await sync_to_async(say)(room, ann, *(f"text {number}" for number in range(1, 121)))
    async with joined(room, ann, 120) as client:
        await client.send({"type": "history", "before": 71})
        page = await client.hear("history")
        assert [frame["sequence"] for frame in page["messages"]] == list(range(21, 71))
        assert page["more"] is True
        await client.send({"type": "history", "before": 21})
        page = await client.hear("history")
        assert [frame["sequence"] for frame in page["messages"]] == list(range(1, 21))
        assert page["more"] is False


async def test_presence_follows_comings_and_goings(room, ann, bob):
    async with page(room, ann) as client:
        await client.hear("presence", users=[ann.username])
        async with joined(room, bob) as other:
            await client.hear("presence", users=[ann.username, bob.username])
            assert (await other.hear("presence"))["users"] == [ann.username, bob.username]
        await client.hear("presence", users=[ann.username])


async def test_user_with_two_sockets_is_present_once_and_until_the_last_is_closed(room, ann, bob):
    async with page(room, bob) as watcher:
        async with page(room, ann):
            await watcher.hear("presence", users=[ann.username, bob.username])
            async with page(room, ann) as second:
                await second.hear("presence", users=[ann.username, bob.username])
            nonce = await watcher.say("the second is gone")
            frames = await watcher.hear_until("message", nonce=nonce)
            assert {"type": "presence", "users": [bob.username]} not in frames
        await watcher.hear("presence", users=[bob.username])


async def test_consumer_that_dies_without_disconnect_leaves_nothing_behind(room, ann):
    socket, _, _ = await open_socket(room.slug, ann)
    await RoomClient(socket).hear("presence")
    await socket.send_input({"type": "no.such.event"})
    with pytest.raises(ValueError, match="No handler"):
        await socket.wait(SECONDS)
    assert room.group not in get_channel_layer().hub().groups


async def test_typing_is_shown_to_others_only(room, ann, bob):
    async with joined(room, ann) as one, joined(room, bob) as other:
        await one.send({"type": "typing"})
        assert (await other.hear("typing"))["user"] == ann.username
        nonce = await one.say("done")
        assert "typing" not in [frame["type"] for frame in await one.hear_until("message", nonce=nonce)]


async def test_too_many_frames_are_warned_of_then_closed(room, ann, monkeypatch):
    monkeypatch.setattr(consumers, "FRAMES_PER_SECOND", 0.001)
    monkeypatch.setattr(consumers, "BURST", 5)
    async with joined(room, ann) as client:
        for _ in range(9):
            await client.send({"type": "typing"})
        for _ in range(3):
            assert (await client.hear("error"))["code"] == "slow_down"
        assert await client.closed() == (1008, "too many frames")


async def test_database_failure_is_answered_and_the_message_can_be_sent_again(room, ann, monkeypatch):
    post = store.post

    def failing(*arguments):
        raise OperationalError("the database is gone")

    async with joined(room, ann) as client:
        monkeypatch.setattr(store, "post", failing)
        nonce = await client.say("hello")
        error = await client.hear("error")
        assert (error["code"], error["nonce"]) == ("unavailable", nonce)
        monkeypatch.setattr(store, "post", post)
        await client.say("hello", nonce)
        assert (await client.hear("message", nonce=nonce))["sequence"] == 1


async def test_who_sends_again_because_the_layer_failed_is_heard_once_by_everybody(
    room, ann, bob, monkeypatch
):
    async def failing(group, event):
        raise ConnectionError("Redis is gone")

    async with joined(room, ann) as client, joined(room, bob) as other:
        await client.hear("presence")
        await other.hear("presence")
        monkeypatch.setattr(get_channel_layer(), "group_send", failing, raising=False)
        nonce = await client.say("hello")
        error = await client.hear("error")
        assert (error["code"], error["nonce"]) == ("unavailable", nonce)
        monkeypatch.undo()
        await client.say("hello", nonce)
        for each in (client, other):
            assert (await each.hear("message", nonce=nonce))["sequence"] == 1
    assert await Message.objects.filter(room=room).acount() == 1
