"""Typed values from variables and files: what is read, and what is refused in which words."""

from __future__ import annotations

import os

import pytest

from channels_stack.config.environment import ConfigurationError, Environment


def problems(read, **environ: str) -> list[str]:
    """What ``read`` of an environment with these variables is told is wrong, one line each."""
    env = Environment(environ)
    read(env)
    with pytest.raises(ConfigurationError) as refused:
        env.check()
    return [str(problem) for problem in refused.value.problems]


class TestValues:
    @pytest.mark.parametrize(
        ("read", "text", "value"),
        [
            (lambda env: env.text("X"), " a b ", "a b"),
            (lambda env: env.secret("X"), " a b ", " a b "),
            (lambda env: env.words("X"), "  a   b\tc ", ("a", "b", "c")),
            (lambda env: env.words("X", ("default",)), "", ()),
            (lambda env: env.choice("X", ("json", "text")), "JSON", "json"),
            (lambda env: env.boolean("X"), "Yes", True),
            (lambda env: env.boolean("X"), "off", False),
            (lambda env: env.number("X"), "2.5", 2.5),
            (lambda env: env.integer("X"), "007", 7),
            (lambda env: env.duration("X"), "250ms", 0.25),
            (lambda env: env.duration("X"), "1.5m", 90),
        ],
    )
    def test_read(self, read, text, value):
        env = Environment({"X": text})
        assert read(env) == value
        env.check()

    def test_defaults(self):
        env = Environment({})
        assert (env.text("A", "a"), env.words("B", ("b",)), env.boolean("C", True)) == ("a", ("b",), True)
        assert (env.number("D", 0.5), env.integer("E", 3), env.duration("F", 30)) == (0.5, 3, 30)
        env.check()

    def test_the_environment_of_the_process_is_read_by_default(self, monkeypatch):
        monkeypatch.setenv("X", "seen")
        assert Environment().text("X") == "seen"


class TestRefusals:
    @pytest.mark.parametrize(
        ("read", "text", "wrong"),
        [
            (lambda env: env.text("X", "default"), "   ", "is empty"),
            (lambda env: env.secret("X"), "\t", "is empty"),
            (lambda env: env.words("X"), " ", "is empty"),
            (lambda env: env.choice("X", ("json", "text")), "xml", "'xml', but must be one of: json, text"),
            (lambda env: env.boolean("X"), "ture", "'ture', but must be one of: 1, true, yes, on, 0, false"),
            (lambda env: env.integer("X"), "8k", "'8k', but must be a whole number without a unit"),
            (lambda env: env.integer("X"), "", "'', but must be a whole number"),
            (lambda env: env.integer("X"), "-1", "is -1, but must be at least 0"),
            (
                lambda env: env.integer("X", minimum=1, maximum=65535),
                "0",
                "is 0, but must be from 1 to 65535",
            ),
            (lambda env: env.integer("X"), "9" * 40, "must be a whole number"),
            (lambda env: env.number("X"), "nan", "must be a number"),
            (lambda env: env.number("X"), "1e9", "must be a number"),
            (lambda env: env.number("X"), "５", "must be a number"),
            (lambda env: env.duration("X"), "30", "must be a number with a unit: 500ms, 30s, 5m, 2h or 1d"),
        ],
    )
    def test_a_wrong_value(self, read, text, wrong):
        (line,) = problems(read, X=text)
        assert line.startswith("X: ")
        assert wrong in line

    def test_a_missing_value_says_what_it_is_for_and_how_to_give_it(self):
        (line,) = problems(lambda env: env.text("X", purpose="the colour", example="blue"))
        assert line == (
            "X (the colour): is required: set it, or X_FILE to the path of a file that holds it; "
            "for example X=blue"
        )

    def test_all_problems_together(self):
        def read(env):
            env.text("A")
            env.integer("B")
            env.boolean("C")

        assert [line[0] for line in problems(read, B="x", C="x")] == ["A", "B", "C"]


class TestFiles:
    @pytest.mark.parametrize(
        ("content", "value"),
        [
            (b"value\n", "value"),
            (b"value\r\n", "value"),
            (b"\xef\xbb\xbfvalue", "value"),
            (b" two\nlines \n", " two\nlines "),
        ],
    )
    def test_read(self, tmp_path, content, value):
        (tmp_path / "file").write_bytes(content)
        env = Environment({"X_FILE": str(tmp_path / "file")})
        assert env.secret("X") == value
        env.check()

    @pytest.mark.parametrize(
        ("content", "wrong"),
        [
            (None, "cannot be read: No such file or directory"),
            (b"", "is empty"),
            (b"\r\n", "is empty"),
            (b"\xff\xfe", "is not text in UTF-8"),
            (b"x" * (1 << 20) + b"x", "is larger than"),
        ],
    )
    def test_refused(self, tmp_path, content, wrong):
        path = tmp_path / "file"
        if content is not None:
            path.write_bytes(content)
        (line,) = problems(lambda env: env.secret("X"), X_FILE=str(path))
        assert line.startswith(f"X_FILE: {path} {wrong}")

    @pytest.mark.parametrize("content", [b"", b"\n", b" \n"])
    def test_an_empty_one_says_what_the_empty_default_says(self, tmp_path, content):
        path = tmp_path / "older-keys"
        path.write_bytes(content)
        env = Environment({"OLDER_KEYS_FILE": str(path)})
        assert env.secret("OLDER_KEYS", "").split() == []
        env.check()

    def test_a_folder(self, tmp_path):
        (line,) = problems(lambda env: env.secret("X"), X_FILE=str(tmp_path))
        assert "cannot be read: Is a directory" in line

    @pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
    def test_a_file_of_somebody_else(self, tmp_path):
        path = tmp_path / "file"
        path.touch(mode=0)
        (line,) = problems(lambda env: env.secret("X"), X_FILE=str(path))
        assert f"cannot be read: Permission denied (as uid {os.getuid()})" in line

    def test_both_the_value_and_the_file(self, tmp_path):
        (line,) = problems(lambda env: env.secret("X"), X="hunter2", X_FILE=str(tmp_path))
        assert line == "X: is set, and so is X_FILE: remove one of them"
