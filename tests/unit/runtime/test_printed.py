"""What is left of a text that repeats a configuration."""

from __future__ import annotations

from typing import Any

import pytest

from channels_stack.config.printed import cleared

ENDLESS: dict[str, Any] = {"password": "hunter2"}
ENDLESS["again"] = [ENDLESS]


@pytest.mark.parametrize(
    ("text", "config", "wanted"),
    [
        ("no 'abc' in abcd", {"key": "abc"}, "no '***' in abcd"),  # so short a value may be part of a word
        ("as 's3c:r'", {"url": "amqp://u:s3c:r/et@h"}, "as '***:***'"),
        ("user p@ss%word", {"url": "amqp://u:p%40ss%25word@h"}, "user ***"),
        (
            "bad amqp://u:hunt...ter2hunter2@h",
            {"url": "amqp://u:hunter2hunter2@h"},
            "bad amqp://u:hunt...***@h",
        ),
        ("got {'key': 'two\\nlines'}", {"key": "two\nlines"}, "got {'key': '***'}"),
        ("got b'hunter2'", {"key": b"hunter2"}, "got b'***'"),
        ("hunter2", ENDLESS, "***"),
        ("two\n  lines", None, "two lines"),
    ],
)
def test_no_text_of_a_configuration_is_repeated(text, config, wanted):
    assert cleared(text, config) == wanted
