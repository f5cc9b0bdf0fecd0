"""Who gets into a room, and who does not."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.db import connection
from room_client import joined, open_socket, session_cookie

pytestmark = pytest.mark.asyncio


async def test_anonymous_is_refused(room):
    _, accepted, _ = await open_socket(room.slug)
    assert not accepted


async def test_forged_session_is_refused(room):
    _, accepted, _ = await open_socket(room.slug, cookie=b"sessionid=0123456789abcdef0123456789abcdef")
    assert not accepted


async def test_inactive_user_is_refused(room, make_user):
    _, accepted, _ = await open_socket(room.slug, await sync_to_async(make_user)("gone", is_active=False))
    assert not accepted


async def test_unknown_room_is_refused(ann):
    _, accepted, _ = await open_socket("there-is-no-such-room", ann)
    assert not accepted


@pytest.mark.parametrize(
    "origins",
    [
        (),
        (b"https://evil.test",),
        (b"https://rooms.test.evil.test",),
        (b"http://rooms.test",),
        (b"https://rooms.test:8443",),
        (b"null",),
        (b"",),
        (b"https://",),
        (b"https://[",),
        (b"https://rooms.test:port",),
        (b"https://rooms.test:99999",),
        (b"https://rooms.test:0",),
        (b"\xff\xfe",),
        (b"https://rooms.test", b"https://evil.test"),
    ],
)
async def test_other_origins_are_refused(room, ann, origins):
    _, accepted, _ = await open_socket(room.slug, ann, origins=origins)
    assert not accepted


async def test_refused_session_is_not_deleted(room, ann, settings_with):
    cookie = await sync_to_async(session_cookie)(ann)
    with settings_with(SECRET_KEY="other " * 20, SECRET_KEY_FALLBACKS=[]):
        _, accepted, _ = await open_socket(room.slug, cookie=cookie)
    assert not accepted
    assert await Session.objects.filter(pk=cookie.partition(b"=")[2].decode()).aexists()


async def test_deleting_the_room_closes_the_socket(room, ann):
    async with joined(room, ann) as client:
        await client.hear("presence")
        await room.adelete()
        assert await client.closed() == (1008, "this room was deleted")


async def test_a_room_with_rows_of_presence_of_the_release_before_can_be_deleted(room, ann):
    columns = "connection, seen, room_id, user_id"
    await sync_to_async(execute)(
        f"INSERT INTO rooms_presence ({columns}) VALUES (gen_random_uuid(), now(), %s, %s)", room.pk, ann.pk
    )
    await room.adelete()


def execute(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.fixture
def settings_with():
    """Django's settings, changed for a while."""
    from django.test import override_settings

    return override_settings
