"""probes.ini: what it may say, and that everything wrong in it is named at once, with its line."""

import pytest

from channels_stack_deploy.checks import probes
from channels_stack_deploy.config.settings import defaults
from channels_stack_deploy.console import Failure
from channels_stack_deploy.paths import COMPOSE


@pytest.fixture
def folder(tmp_path):
    """The folder of an environment, with the password of a user."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/demo_password").write_text("secret")
    return tmp_path


def load(folder, text):
    (folder / probes.NAME).write_text(text)
    return probes.load(folder / probes.NAME, folder)


def problems(folder, text):
    """line -> what is wrong there."""
    with pytest.raises(Failure) as failure:
        load(folder, text)
    found = [
        line.removeprefix(f"{folder / probes.NAME}:").partition(": ")
        for line in str(failure.value).splitlines()
    ]
    return [(int(line), what) for line, _, what in found]


SIGN_IN = "[sign-in anna]\npath = /login/\nuser = anna\npassword_file = secrets/demo_password\n"


def test_the_reference_application_has_one_that_needs_no_user(folder):
    found = probes.load(COMPOSE.parent / "app/probes.ini", folder)
    assert {each.kind for each in found} == {"page"}


def test_the_example_of_the_docs_is_right(folder):
    text = (COMPOSE.parent / "docs/how-to/smoke.md").read_text()
    example = (
        text.partition("```ini\n")[2].partition("```")[0].replace("secrets/anna", "secrets/demo_password")
    )
    assert {each.kind for each in load(folder, example)} == {"page", "socket", "sign-in", "job"}


def test_what_is_said_in_order(folder):
    (_, found) = load(
        folder,
        f'{SIGN_IN}# why\n[socket talk]\npath = /ws/\nas = anna\nsend = {{"a": 1}}\nexpect = hello = you\n',
    )
    assert (found.title, found.get("path"), found.get("as")) == ("socket talk", "/ws/", "anna")
    assert found.steps == (("send", '{"a": 1}'), ("expect", "hello = you"))
    assert found.seconds == 10


WRONG = {
    "kind": ("[pages x]\npath = /\n", 1, "[pages …] is no kind of probe, did you mean page?"),
    "no name": ("[page]\npath = /\n", 1, "is no section"),
    "outside": ("path = /\n", 1, "belongs to no section"),
    "key": ("[page a]\npath = /\ntetx = x\n", 3, "tetx says nothing in [page …], did you mean text?"),
    "no line": ("[page a]\npath = /\nwhat\n", 3, "is not NAME = value"),
    "twice": ("[page a]\npath = /\npath = /b\n", 3, "path is in line 2 already"),
    "name twice": ("[page a]\npath = /\n[page a]\npath = /\n", 3, "[page a] is in line 1 already"),
    "lacks": ("[page a]\n", 1, "[page a] lacks path"),
    "path": ("[page a]\npath = login\n", 2, "a path begins with /"),
    "space": ("[page a]\npath = /a b\n", 2, "write it as %20"),
    "status": ("[page a]\npath = /\nstatus = ok\n", 3, "status is 'ok'; it takes one number"),
    "seconds": ("[socket a]\npath = /\nseconds = 0\n", 3, "it takes a whole number from 1"),
    "as": (f"{SIGN_IN}[page a]\npath = /\nas = ana\n", 7, "there is no [sign-in ana], did you mean anna?"),
    "json": ('[socket a]\npath = /\nsend = {"a"\n', 3, "send begins as JSON and is none"),
    "expect": ("[socket a]\npath = /\nexpect =\n", 3, "expect is empty"),
    "password": ("[sign-in a]\npath = /\nuser = a\npassword_file = x\n", 4, "password_file: there is no"),
    "job, nowhere": ("[job a]\nresult = /\ntext = x\n", 1, "takes socket or page, one of them"),
    "job, both": (
        "[job a]\nsocket = /ws/\npage = /\nsend = a\nexpect = b\n",
        1,
        "takes socket or page, one of them",
    ),
    "job, no send": ("[job a]\nsocket = /ws/\nexpect = b\n", 1, "lacks send"),
    "job, no effect": ("[job a]\npage = /begin/\n", 1, "where its effect is seen"),
    "job, no text": ("[job a]\npage = /begin/\nresult = /end/\n", 1, "lacks text"),
    "visit, nothing": ("[visit a]\nthink = 3\n", 1, "lacks page or socket"),
    "visit, no socket": ("[visit a]\npage = /\nsend = x\n", 1, "lacks socket"),
    "visit, no send": ("[visit a]\nsocket = /ws/\nmessages = 3\n", 1, "lacks send"),
    "visit, as": (SIGN_IN + "[visit a]\npage = /\nas = anna ben\n", 7, "no [sign-in ben]"),
    "visit, think": ("[visit a]\npage = /\nthink = 0\n", 3, "a number above 0"),
    "visit, share": ("[visit a]\npage = /\nshare = 0.5\n", 3, "share is"),
    "visit, path": ("[visit a]\nsocket = ws/\n", 2, "begins with /"),
    "job, mixed": ("[job a]\npage = /begin/\nsend = a\nresult = /\ntext = b\n", 1, "are of a socket"),
}


@pytest.mark.parametrize(("text", "line", "what"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_its_line(folder, text, line, what):
    found = problems(folder, text)
    assert any(at == line and what in problem for at, problem in found), found


def test_everything_wrong_is_named_at_once(folder):
    text = "[page a]\npath = x\n\n[socket b]\nseconds = no\n[what c]\n"
    assert [line for line, _ in problems(folder, text)] == [2, 4, 5, 6]


def test_where_it_is(deployment, tmp_path):
    """One that is named, beside stack.env, in the application's folder; the first of them that is there."""
    application, named = tmp_path / "application", tmp_path / "inventory"
    places = [application / probes.NAME, deployment.folder / probes.NAME, named / probes.NAME]
    settings = defaults() | {"APP_DIR": str(application)}
    assert probes.find(deployment, settings, places[-1]) is None
    for place in places:
        place.parent.mkdir(parents=True)
        place.touch()
        assert probes.find(deployment, settings, places[-1]) == place


@pytest.mark.parametrize(
    ("wanted", "message", "fitting"),
    [
        ("hello", "they say hello.", True),
        ("hello", "bye", False),
        (
            '{"type": "next", "payload": {"data": 1}}',
            '{"id": 3, "type": "next", "payload": {"data": 1, "more": 2}}',
            True,
        ),
        ('{"type": "next"}', '{"type": "error"}', False),
        ('{"type": "next"}', '["next"]', False),
        ('{"type": "next"}', '{"type": "next"', False),
    ],
)
def test_a_message_fits(wanted, message, fitting):
    assert probes.fits(wanted, message) is fitting


def test_a_visit_is_no_probe(folder):
    """What it repeats is told apart, and `make up` does not run it."""
    text = SIGN_IN + "[visit chat]\nas = anna anna\nsocket = /a/\npage = /\nsend = x\nsocket = /b/\n"
    assert [each.kind for each in load(folder, text)] == ["sign-in"]
    found = probes.sections(folder / probes.NAME, folder)[1]
    assert (found.sockets, found.pages, found.steps) == (("/a/", "/b/"), ("/",), (("send", "x"),))
