"""A message with every type that layers carry."""

EVERY_TYPE = {
    "type": "test.message",
    "text": "Ahoy-hoy! 🎉",
    "bytes": b"\x00\xff\r\n",
    "list": [1, -2, 3.5, None, True],
    "dict": {"nested": {"deep": ["x"]}},
    "large": 2**63,
    "long": "x" * 200_000,
}
