"""Every command of README and docs is run by a test, and every setting there is one: the table is tests/documented.py."""

from __future__ import annotations

import itertools
import re
import shlex

import documented
import pytest

from channels_stack.commands import cli
from channels_stack_deploy.config import settings

COMMANDS = documented.commands()
PLACEHOLDER = re.compile(r"[<…\[|]")


def why_not_run(command: documented.Command) -> str:
    return next(
        (why for pattern, why in documented.NOT_RUN.items() if re.fullmatch(pattern, command.text)), ""
    )


def test_every_command_is_run_by_a_test():
    unknown = [
        str(command)
        for command in COMMANDS
        if not any(row.fits(command) for row in documented.RUN) and not why_not_run(command)
    ]
    assert unknown == [], "name the test that runs each in tests/documented.py"


def test_no_row_is_left_over():
    rows = [row.pattern for row in documented.RUN if not any(row.fits(command) for command in COMMANDS)]
    reasons = [
        pattern
        for pattern in documented.NOT_RUN
        if not any(re.fullmatch(pattern, command.text) for command in COMMANDS)
    ]
    assert (rows, reasons) == ([], [])


@pytest.mark.parametrize("row", documented.RUN, ids=lambda row: row.pattern)
def test_what_runs_it_is_there(row, root):
    path, _, name = row.by.partition("::")
    text = (root / path).read_text()
    if name:
        found = re.search(rf"^def {name}\(.*?(?=^def |^@|^class |\Z)", text, re.M | re.S)
        assert found, f"{path} has no {name}"
    assert row.says in text, f"{path} does not say {row.says}"


def test_a_block_holds_what_begins_with_a_known_program():
    """Anything else is no command: a file's content is a block of its own language."""
    assert [str(one) for one in COMMANDS if one.block and one.words[0] not in documented.PROGRAMS] == []


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.text.startswith("make ")], ids=str)
def test_a_verb_takes_what_it_is_given(command, root):
    """The variables are the Makefile's, and a file or folder of tests is there."""
    makefile = (root / "Makefile").read_text()
    verbs = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    for word in command.words[1:]:
        name, is_variable, value = word.partition("=")
        if not is_variable:
            assert name in verbs
            continue
        assert re.search(rf"^{name} \?=|\$\({name}\)", makefile, re.M), (
            f"{name} is no variable of the Makefile"
        )
        for path in re.findall(r"tests/[\w/.]+", value):
            assert (root / path).exists(), path


@pytest.mark.parametrize(
    "command", [one for one in COMMANDS if one.text.startswith("ansible-playbook ")], ids=str
)
def test_a_playbook_takes_what_it_is_given(command, root):
    words = command.words
    (name,) = [word for word in words if word.endswith(".yml")]
    assert (root / "ansible" / name).exists()
    for variable in variables(words):
        assert variable_is_read(root, variable), f"nothing of ansible/ reads {variable}"


def variables(words: list[str]) -> list[str]:
    given = [word for option, word in itertools.pairwise(words) if option == "-e"]
    return [word.partition("=")[0] for word in given]


def variable_is_read(root, name: str) -> bool:
    texts = [path.read_text() for path in (root / "ansible").rglob("*.yml")]
    return any(re.search(rf"\b{name}\b", text) for text in texts)


def test_options_of_playbooks_in_sentences_are_read_too(root):
    """`-e force=true`, `--tags host`: without the command that they belong to."""
    pages = "\n".join(page.read_text() for page in documented.pages())
    named = re.findall(r"`(-e \w+=[^`]+|--tags [^`]+)`", pages)
    assert named
    plays = (root / "ansible/bootstrap.yml").read_text()
    for text in named:
        option, word = shlex.split(text)[:2]
        if option == "-e":
            assert variable_is_read(root, word.partition("=")[0]), text
        else:
            assert all(re.search(rf"\b{tag}\b", plays) for tag in word.split(",")), text


@pytest.mark.parametrize("command", [one for one in COMMANDS if "docker compose" in one.text], ids=str)
def test_a_service_that_is_named_exists(command, root):
    files = "\n".join(path.read_text() for path in (root / "compose").glob("compose*.yml"))
    services = set(re.findall(r"^  ([a-z][a-z0-9-]*):$", files, re.M))
    words = command.words[command.words.index("compose") + 1 :]
    if words and words[0] in ("exec", "restart", "kill"):
        named = [word for word in words[1:] if not word.startswith("-") and word != "HUP"]
        assert named[0] in services


ASKED = [
    one
    for one in COMMANDS
    if "channels-stack" in one.text.split()
    and not PLACEHOLDER.search(one.text.partition("channels-stack")[2])
]


@pytest.mark.parametrize("command", [one for one in ASKED if not one.text.startswith("cd ")], ids=str)
def test_what_the_library_is_asked_is_what_it_knows(command):
    """A subcommand with its options; a bare `channels-stack worker` in a sentence has no channel."""
    asked = command.words[command.words.index("channels-stack") + 1 :]
    if asked != ["worker"]:
        cli.parser().parse_args(asked)


@pytest.mark.parametrize(("page", "lines"), list(documented.settings()), ids=lambda value: str(value)[:60])
def test_a_block_of_settings_is_accepted(page, lines, tmp_path):
    """Also each by itself, where a block shows several values of one setting."""
    names = [line.partition("=")[0] for line in lines]
    choices = [lines] if len(set(names)) == len(names) else [[line] for line in lines]
    for chosen in choices:
        path = tmp_path / "stack.env"
        path.write_text("\n".join(chosen).replace("SHA256:…", "SHA256:" + "A" * 43) + "\n")
        settings.load(path)


def test_a_setting_in_a_sentence_is_one(root):
    """`APP_REDIS=cache`: a setting, or a variable of the Makefile, of an application, or of another program's."""
    others = set(re.findall(r"^([A-Z]+) \?=|\$\(([A-Z]+)\)", (root / "Makefile").read_text(), re.M))
    known = {*settings.defaults(), *(name for pair in others for name in pair if name), *OF_OTHERS}
    wrong = {
        f"{page.relative_to(root)}: {name}"
        for page in documented.pages()
        for name in re.findall(r"`([A-Z][A-Z0-9_]+)=[^`]*`", page.read_text())
        if name not in known
    }
    assert wrong == set()


OF_OTHERS = ("EMAIL_URL", "ENGINE", "CONN_MAX_AGE")
"""Variables of an application (app.env) and of the tool, and settings of Django."""
