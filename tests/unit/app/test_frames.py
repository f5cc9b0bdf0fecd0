"""What a client may send, and the answers to all the rest."""

import json

import pytest
from room_client import joined
from rooms import frames

WRONG = [
    pytest.param(b"\x00\x01", "not_text", id="binary"),
    pytest.param("", "not_json", id="nothing"),
    pytest.param("{", "not_json", id="half an object"),
    pytest.param("hello", "not_json", id="not JSON"),
    pytest.param('{"type": NaN}', "not_json", id="NaN"),
    pytest.param('{"type": "history", "before": Infinity}', "not_json", id="Infinity"),
    pytest.param("[" * 9_000 + "]" * 9_000, "not_json or not_an_object", id="deep nesting"),
    pytest.param('{"a":' * 5_000 + "1" + "}" * 5_000, "not_json or unknown_type", id="deep objects"),
    pytest.param("9" * 10_000, "not_json", id="integer of 10000 digits"),
    pytest.param("[]", "not_an_object", id="array"),
    pytest.param("null", "not_an_object", id="null"),
    pytest.param('"message"', "not_an_object", id="string"),
    pytest.param("1e999", "not_an_object", id="number"),
    pytest.param("{}", "unknown_type", id="no type"),
    pytest.param('{"type": "drop"}', "unknown_type", id="unknown type"),
    pytest.param('{"type": ["message"]}', "unknown_type", id="type is a list"),
    pytest.param('{"type": {"a": 1}}', "unknown_type", id="type is an object"),
    pytest.param('{"type": "typing", "user": "bob"}', "unknown_field", id="typing with a user"),
    pytest.param('{"type": "typing", "\\ud800": 1}', "unknown_field", id="field is half a character"),
    pytest.param('{"type": "message", "text": "x"}', "bad_nonce", id="no nonce"),
    pytest.param('{"type": "message", "text": "x", "nonce": 1}', "bad_nonce", id="nonce is a number"),
    pytest.param('{"type": "message", "text": "x", "nonce": ""}', "bad_nonce", id="nonce is empty"),
    pytest.param('{"type": "message", "text": "x", "nonce": "\\u0000"}', "bad_nonce", id="nonce is NUL"),
    pytest.param(
        '{"type": "message", "text": "x", "nonce": "\\ud800"}', "bad_nonce", id="nonce is half a character"
    ),
    pytest.param(
        json.dumps({"type": "message", "text": "x", "nonce": "n" * 65}), "bad_nonce", id="long nonce"
    ),
    pytest.param('{"type": "message", "nonce": "n"}', "bad_text", id="no text"),
    pytest.param('{"type": "message", "text": 7, "nonce": "n"}', "bad_text", id="text is a number"),
    pytest.param('{"type": "message", "text": null, "nonce": "n"}', "bad_text", id="text is null"),
    pytest.param('{"type": "message", "text": "", "nonce": "n"}', "empty", id="empty text"),
    pytest.param('{"type": "message", "text": " \\n\\t ", "nonce": "n"}', "empty", id="only space"),
    pytest.param('{"type": "message", "text": "\\u200b\\u2060", "nonce": "n"}', "empty", id="only invisible"),
    pytest.param('{"type": "message", "text": "\\u0000\\u0007", "nonce": "n"}', "empty", id="only controls"),
    pytest.param('{"type": "message", "text": "\\ud83d", "nonce": "n"}', "empty", id="only half a character"),
    pytest.param(
        json.dumps({"type": "message", "text": "x" * 2001, "nonce": "n"}), "too_long", id="2001 characters"
    ),
    pytest.param(json.dumps({"type": "message", "text": "x" * 40_000, "nonce": "n"}), "too_long", id="40 kB"),
    pytest.param(
        '{"type": "message", "text": "x", "nonce": "n", "user": "bob"}',
        "unknown_field",
        id="message with a user",
    ),
    pytest.param('{"type": "history"}', "bad_before", id="history without before"),
    pytest.param('{"type": "history", "before": 0}', "bad_before", id="before 0"),
    pytest.param('{"type": "history", "before": -1}', "bad_before", id="before is negative"),
    pytest.param('{"type": "history", "before": 1.5}', "bad_before", id="before is a fraction"),
    pytest.param('{"type": "history", "before": true}', "bad_before", id="before is true"),
    pytest.param('{"type": "history", "before": "1"}', "bad_before", id="before is a text"),
    pytest.param('{"type": "history", "before": 99999999999999999999}', "bad_before", id="before is huge"),
    pytest.param(
        '{"type": "history", "before": 1, "room": 2}', "unknown_field", id="history of another room"
    ),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("sent", "code"), WRONG)
async def test_wrong_frame_is_answered_and_the_socket_lives(room, ann, sent, code):
    async with joined(room, ann) as client:
        await client.send(sent)
        error = await client.hear("error")
        assert error["code"] in code.split(" or ")  # how deep JSON may be is the interpreter's decision
        assert error["detail"]
        nonce = await client.say("still here")
        assert (await client.hear("message", nonce=nonce))["sequence"] == 1


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("  hello  ", "hello"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\tb", "a\tb"),
        ("a\x00b\x1b[31mc\x7f\x85", "ab[31mc"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("👩‍👩‍👧 é 漢字 عربى", "👩‍👩‍👧 é 漢字 عربى"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("x" * 2000, "x" * 2000),
        ("💬" * 2000, "💬" * 2000),
    ],
)
def test_text_is_cleaned_and_otherwise_kept(text, kept):
    said = frames.parse(json.dumps({"type": "message", "text": text, "nonce": "n"}))
    assert said == frames.Say(kept, "n")


def test_error_about_a_message_names_it():
    with pytest.raises(frames.FrameError) as refused:
        frames.parse(json.dumps({"type": "message", "text": " ", "nonce": "n-1"}))
    assert refused.value.nonce == "n-1"
