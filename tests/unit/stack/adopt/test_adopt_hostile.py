"""make adopt reads a project that nobody trusts yet: its author's words become nothing but the value that they are."""

import contextlib

import pytest
from layouts import MANAGE, PLAIN, ROUTER, SETTINGS, below

from channels_stack_deploy.adopt import command
from channels_stack_deploy.adopt.proposal import NAMES, propose
from channels_stack_deploy.config import settings
from channels_stack_deploy.console import Failure

BREAKS = ("\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028")
"""What ends a line of stack.env for whoever reads it."""

ORDER = "SECRET_COMMANDS=secret_key: touch owned"
"""In stack.env this machine's root runs it at the next `make up`."""


@pytest.fixture
def adopted(make, deployment):
    """What is in the two files after `make adopt` of a project, as others read them; it may end with a question."""

    def adopted(*parts):
        folder = make(*parts)
        with contextlib.suppress(Failure):  # where something has to be written by a person
            command.adopt(deployment, str(folder))
        return settings.parse(deployment.settings), settings.parse(deployment.application)

    return adopted


@pytest.mark.parametrize("end", BREAKS)
def test_the_name_of_a_channel_is_no_line_of_its_own(adopted, end, capfd):
    source = ROUTER + f"workers = ChannelNameRouter({{{f'x{end}{ORDER}'!r}: 1, 'thumbs': 2}})\n"
    written, _ = adopted(PLAIN, {"mysite/asgi.py": PLAIN["mysite/asgi.py"] + source})
    assert set(written) <= {*NAMES, *settings.parse(settings.EXAMPLE)} and "SECRET_COMMANDS" not in written
    assert written["APP_WORKER_CHANNELS"] == "thumbs"
    assert "APP_WORKER_CHANNELS: mysite/asgi.py" in capfd.readouterr().out


@pytest.mark.parametrize("end", BREAKS)
def test_the_name_of_a_folder_is_no_line_of_its_own(adopted, end):
    written, variables = adopted(
        below(
            f"a{end}{ORDER}{end}b",
            {**PLAIN, "mysite/settings.py": f'{SETTINGS}import os\nA = os.environ["API"]\n'},
        )
    )
    assert "SECRET_COMMANDS" not in written and "SECRET_COMMANDS" not in variables
    assert "APP_PATH" not in written, "no line can hold it"


def test_the_name_of_a_file_is_no_line_of_its_own(adopted):
    name = f"pro\u2028{ORDER}\u2028"
    written, _ = adopted(
        {
            "manage.py": MANAGE.format("mysite.settings"),
            **{path: PLAIN[path] for path in PLAIN if path != "manage.py"},
            f"mysite/{name}.py": ROUTER + "workers = ChannelNameRouter({'thumbs': 1})\n",
        }
    )
    assert written["APP_WORKER_CHANNELS"] == "thumbs" and "SECRET_COMMANDS" not in written


@pytest.mark.parametrize("end", BREAKS)
def test_the_name_of_a_variable_is_no_line_of_its_own(adopted, end):
    source = f"{SETTINGS}import os\nA = os.environ[{f'API{end}OTHER=1'!r}]\nB = os.environ['B']\n"
    _, variables = adopted(PLAIN, {"mysite/settings.py": source})
    assert variables == {}


@pytest.mark.parametrize("where", [".env.production", "mysite/.env"])
def test_a_link_out_of_the_project_gives_it_nothing(make, deployment, tmp_path, where):
    """What it would get is in the environment of its own processes, which have a way out."""
    (tmp_path / "credentials").write_text("API=of-this-machine\n")
    source = f'{SETTINGS}import os\nA = os.environ["API"]\n'
    folder = make(PLAIN, {"mysite/settings.py": source})
    (folder / where).symlink_to(tmp_path / "credentials")
    command.adopt(deployment, str(folder))
    assert "of-this-machine" not in deployment.application.read_text()
    assert "credentials" not in deployment.application.read_text()


def test_a_link_within_the_project_is_followed(make, deployment):
    source = f'{SETTINGS}import os\nA = os.environ["API"]\n'
    folder = make(PLAIN, {"mysite/settings.py": source, "deploy/variables": "API=its-own\n"})
    (folder / ".env.production").symlink_to("deploy/variables")
    command.adopt(deployment, str(folder))
    assert settings.parse(deployment.application) == {"API": "its-own"}


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"])
@pytest.mark.parametrize(
    "text",
    [
        'tool = "x"\nproject = 3\ndependency-groups = 1\npackage = 3\n',
        "[tool]\nuv = 3\npoetry = 3\n[project]\ndependencies = 3\noptional-dependencies = 3\n",
        "[tool.uv.workspace]\nmembers = [1]\nexclude = 2\n[tool.poetry]\ngroup = 3\n[project]\ndependencies = [1]\n",
        '[[package]]\nname = 1\nsource = "odd"\n[[package]]\nsource = {virtual = "."}\ndependencies = [{}, "s"]\n',
        '[[package]]\nname = "x"\nsource = {virtual = "."}\ndependencies = {django = "1"}\ngroups = 3\n',
        "x = " + "[" * 20_000,
        "[" * 200_000,
        '{"default": 3}',
    ],
    ids=lambda text: text[:20],
)
def test_tables_of_any_form_are_no_traceback(make, name, text):
    """Where the project is, and above it, where a workspace may be."""
    folder = make(PLAIN, {name: text, "pyproject.toml": text})
    assert propose(folder).lines["APP_SETTINGS"].value == "mysite.settings"
    assert propose(make(below("inner", PLAIN)) / "inner").lines["APP_SETTINGS"].value == "mysite.settings"


def test_a_folder_that_pdm_links_is_no_traceback(make):
    lock = '[[package]]\nname = "django"\n[[package]]\nname = "lib"\neditable = true\npath = "../lib"\n'
    files = {path: text for path, text in PLAIN.items() if path != "requirements.txt"}
    declared = '[project]\nname = "site"\nversion = "1"\ndependencies = ["django", "channels"]\n'
    proposal = propose(make(files, {"pdm.lock": lock, "pyproject.toml": declared}))
    assert "takes lib from ../lib, which is outside" in proposal.impossible
