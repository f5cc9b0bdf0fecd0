"""Messages as bytes: packed, and encrypted where the project has keys for it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import msgpack

# Nested no deeper than any message of an application: msgpack itself ends with ValueError.
FLAT = (str, bytes, int, float, bool, type(None))


class Codec:
    """``keys``: the first encrypts, any of them decrypts, so that a new key can be put before an old one."""

    def __init__(self, keys: Sequence[str | bytes] = ()) -> None:
        if isinstance(keys, (str, bytes)):
            raise ValueError("symmetric_encryption_keys must be a list of keys, not one key")
        self._fernet = _fernet(keys) if keys else None

    def pack(self, message: dict[str, Any]) -> bytes:
        """``message`` as bytes. Raises TypeError for a type that no channel layer carries."""
        packed: bytes = msgpack.packb(message, use_bin_type=True)
        return self.seal(packed)

    def unpack(self, body: bytes) -> Any:
        """What was packed. Raises ValueError when these bytes are nothing of ours, or for another key."""
        try:
            return msgpack.unpackb(self.open(body), raw=False, strict_map_key=False)
        except Exception as error:
            raise ValueError(f"cannot be decoded: {type(error).__name__}") from error

    def seal(self, content: bytes) -> bytes:
        """``content``, encrypted where there are keys."""
        return self._fernet.encrypt(content) if self._fernet else content

    def open(self, body: bytes) -> bytes:
        """The content of ``body``. Raises what cryptography raises for another key."""
        return self._fernet.decrypt(body) if self._fernet else body


def _fernet(keys: Sequence[str | bytes]) -> Any:
    from cryptography.fernet import Fernet, MultiFernet

    secrets = [key.encode() if isinstance(key, str) else key for key in keys]
    return MultiFernet(
        [Fernet(base64.urlsafe_b64encode(hashlib.sha256(secret).digest())) for secret in secrets]
    )


def is_flat(message: Any) -> bool:
    """Whether a copy of the dictionary shares nothing that can be changed."""
    return type(message) is dict and all(isinstance(value, FLAT) for value in message.values())
