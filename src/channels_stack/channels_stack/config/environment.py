"""Typed values from environment variables and secret files.

Any value NAME may be given as NAME, or as NAME_FILE: the path of a file that holds the value. Every reader
takes a default; without one the value is required. Readers never raise: problems are collected, so that
``check()`` can report all of them to the operator at once.

    env = Environment()
    domains = env.words("DOMAINS", ("localhost",))
    secret_key = env.secret("SECRET_KEY", purpose="signs sessions", example="50 random characters")
    env.check()

This module is part of the public interface: an application's settings.py may use it.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from . import app_redis, printed

TRUE_WORDS = ("1", "true", "yes", "on")
FALSE_WORDS = ("0", "false", "no", "off")
SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LARGEST_FILE = 1 << 20


@dataclass(frozen=True)
class Problem:
    """What is wrong with one setting. ``wrong`` never holds the value of a secret."""

    name: str
    wrong: str
    purpose: str = ""
    example: str = ""

    def __str__(self) -> str:
        purpose = f" ({self.purpose})" if self.purpose else ""
        example = f"; for example {self.name}={self.example}" if self.example else ""
        return f"{self.name}{purpose}: {self.wrong}{example}"


class ConfigurationError(Exception):
    """The configuration is refused; ``problems`` holds one printable line for each thing that is wrong."""

    def __init__(self, problems: Sequence[Problem | str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


LENT = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL")
_given: dict[str, str] = {}
_lent: set[str] = set()


@contextlib.contextmanager
def secrets_as_variables() -> Iterator[None]:
    """Within the block the content of NAME_FILE is the variable NAME as well, for each of LENT.

    Where the application has a Redis of its own, REDIS_URL and the other names of ``app_redis`` mean that one.

    What is printed meanwhile holds none of them: some settings print what they have read.

    For settings modules: most of those that read the environment know only variables (django-environ,
    dj-database-url, os.environ). No longer than while they are imported, so that neither a program which the
    application starts nor a report of a crash holds a secret.
    """
    _given.update({} if _given else os.environ)
    env = Environment()
    files = {name for name in LENT if f"{name}_FILE" in os.environ and name not in os.environ}
    given = {name: value for name in files if (value := env.secret(name, ""))}
    given.update(app_redis.variables())
    os.environ.update(given)
    _lent.update(given)
    try:
        with printed.without(given.values()):
            yield
    finally:
        for name in given:
            os.environ.pop(name, None)
        _lent.difference_update(given)


def before_settings() -> Mapping[str, str]:
    """The environment of this process before a project's settings were imported, which may add to it (dotenv, setdefault)."""
    return _given or os.environ


class Environment:
    """Reads typed values from ``environ`` (default: the environment of this process)."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self.problems: list[Problem] = []

    def text(self, name: str, default: str | None = None, *, purpose: str = "", example: str = "") -> str:
        """A text that is not empty. Spaces around it are removed."""
        value = self._value(name, default is None, purpose, example)
        if value is None:
            return default or ""
        if not value.strip():
            self.refuse(name, "is empty", purpose, example)
        return value.strip()

    def secret(self, name: str, default: str | None = None, *, purpose: str = "", example: str = "") -> str:
        """A text that never appears in an error. Spaces are kept: they may be part of it.

        It is not empty, unless ``default`` is the empty text: then an empty file says the same.
        """
        value = self._value(name, default is None, purpose, example, secret=True, may_be_empty=default == "")
        if value is None:
            return default or ""
        if not value.strip() and default != "":
            self.refuse(name, "is empty", purpose, example)
        return value

    def words(
        self, name: str, default: Sequence[str] | None = None, *, purpose: str = "", example: str = ""
    ) -> tuple[str, ...]:
        """Words separated by spaces; the empty text is the empty tuple, unless the value is required."""
        value = self._value(name, default is None, purpose, example)
        if value is None:
            return tuple(default or ())
        if default is None and not value.strip():
            self.refuse(name, "is empty", purpose, example)
        return tuple(value.split())

    def choice(
        self,
        name: str,
        choices: Sequence[str],
        default: str | None = None,
        *,
        purpose: str = "",
        example: str = "",
    ) -> str:
        """One of ``choices``, in any case."""
        value = self._value(name, default is None, purpose, example)
        if value is None:
            return default or ""
        word = value.strip().lower()
        if word not in choices:
            self.refuse(name, f"is {value!r}, but must be one of: {', '.join(choices)}", purpose, example)
        return word

    def boolean(
        self, name: str, default: bool | None = None, *, purpose: str = "", example: str = ""
    ) -> bool:
        """True for 1, true, yes, on; False for 0, false, no, off; in any case."""
        value = self._value(name, default is None, purpose, example)
        if value is None:
            return bool(default)
        word = value.strip().lower()
        if word not in TRUE_WORDS + FALSE_WORDS:
            forms = ", ".join(TRUE_WORDS + FALSE_WORDS)
            self.refuse(name, f"is {value!r}, but must be one of: {forms}", purpose, example)
        return word in TRUE_WORDS

    def number(
        self,
        name: str,
        default: float | None = None,
        *,
        minimum: float = 0,
        maximum: float = float("inf"),
        purpose: str = "",
        example: str = "",
    ) -> float:
        """A decimal number of ``minimum`` to ``maximum``, without a unit."""
        value = self._value(name, default is None, purpose, example)
        if value is None:
            return 0 if default is None else default
        if not re.fullmatch(r"[+-]?\d+(\.\d+)?", value.strip(), re.ASCII):
            self.refuse(name, f"is {value!r}, but must be a number without a unit", purpose, example)
            return minimum
        return self._in_range(name, float(value), minimum, maximum, purpose, example)

    def integer(
        self,
        name: str,
        default: int | None = None,
        *,
        minimum: int = 0,
        maximum: float = float("inf"),
        purpose: str = "",
        example: str = "",
    ) -> int:
        """A whole number of ``minimum`` to ``maximum``, without a unit."""
        value = self._value(name, default is None, purpose, example)
        if value is None:
            return default or 0
        if not re.fullmatch(r"[+-]?\d{1,18}", value.strip(), re.ASCII):
            self.refuse(name, f"is {value!r}, but must be a whole number without a unit", purpose, example)
            return minimum
        return int(self._in_range(name, int(value), minimum, maximum, purpose, example))

    def duration(
        self,
        name: str,
        default: float | None = None,
        *,
        minimum: float = 0,
        maximum: float = float("inf"),
        purpose: str = "",
        example: str = "",
    ) -> float:
        """Seconds, from a number with a unit: 500ms, 30s, 5m, 2h or 1d. ``default`` is in seconds."""
        value = self._value(name, default is None, purpose, example)
        if value is None:
            return 0 if default is None else default
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value.strip(), re.ASCII)
        if match is None:
            wrong = f"is {value!r}, but must be a number with a unit: 500ms, 30s, 5m, 2h or 1d"
            self.refuse(name, wrong, purpose, example)
            return minimum
        seconds = float(match.group(1)) * SECONDS_PER_UNIT[match.group(2)]
        return self._in_range(name, seconds, minimum, maximum, purpose, example)

    def refuse(self, name: str, wrong: str, purpose: str = "", example: str = "") -> None:
        """Note a problem with the setting ``name``: ``wrong`` completes the sentence "NAME …"."""
        self.problems.append(Problem(name, wrong, purpose, example))

    def check(self) -> None:
        """Raise ConfigurationError if any value read so far was missing or wrong."""
        if self.problems:
            raise ConfigurationError(self.problems)

    def _in_range(
        self, name: str, value: float, minimum: float, maximum: float, purpose: str, example: str
    ) -> float:
        if minimum <= value <= maximum:
            return value
        limits = f"at least {minimum:g}" if maximum == float("inf") else f"from {minimum:g} to {maximum:g}"
        self.refuse(name, f"is {value:.15g}, but must be {limits}", purpose, example)
        return minimum

    def _value(
        self,
        name: str,
        required: bool,
        purpose: str,
        example: str,
        secret: bool = False,
        may_be_empty: bool = False,
    ) -> str | None:
        """The text of NAME or of the file NAME_FILE; None when neither is set or neither can be read."""
        file_name = f"{name}_FILE"
        if file_name in self.environ and self._is_set(name):
            self.refuse(name, f"is set, and so is {file_name}: remove one of them", purpose)
            return None
        if file_name in self.environ:
            return self._file(file_name, self.environ[file_name], purpose, may_be_empty)
        if name in self.environ:
            return self.environ[name]
        if required:
            wanted = f"is required: set it, or {file_name} to the path of a file that holds it"
            self.refuse(name, wanted, purpose, "" if secret else example)
        return None

    def _is_set(self, name: str) -> bool:
        """Whether the variable NAME is there, and not lent (``secrets_as_variables``) or only answered (``entry_points``)."""
        return name in self.environ and name not in _lent and name in list(self.environ)

    def _file(self, file_name: str, path: str, purpose: str, may_be_empty: bool) -> str | None:
        """The content of ``path`` without a byte order mark and without the line ends an editor adds."""
        if not path.strip():
            self.refuse(file_name, "is empty, but must be the path of a file", purpose)
            return None
        try:
            with open(path, "rb") as file:
                content = file.read(LARGEST_FILE + 1)
        except OSError as error:
            self.refuse(file_name, f"{path} cannot be read: {error.strerror} (as uid {os.getuid()})", purpose)
            return None
        if len(content) > LARGEST_FILE:
            self.refuse(file_name, f"{path} is larger than {LARGEST_FILE} bytes", purpose)
            return None
        if content.startswith(codecs.BOM_UTF8):
            content = content[len(codecs.BOM_UTF8) :]
        try:
            value = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            self.refuse(file_name, f"{path} is not text in UTF-8", purpose)
            return None
        if not value.strip() and not may_be_empty:
            self.refuse(file_name, f"{path} is empty", purpose)
            return None
        return value
