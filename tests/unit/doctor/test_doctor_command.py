"""`channels-stack doctor`: what it prints, its exit codes, and what it makes of bad input."""

from __future__ import annotations

import json
import os
import re

import pytest
from specimens import ASGI, REQUIREMENTS, RUNTIME, doctor, write
from specimens import SETTINGS as S

from channels_stack.doctor.examine import examine
from channels_stack.doctor.findings import rules
from channels_stack.doctor.project import Project

KEY = 'SECRET_KEY = os.environ["SECRET_KEY"]'
WARNING = {S: (KEY, 'SECRET_KEY = os.environ.get("SECRET_KEY", "unsafe")')}
ERROR = {S: ("DEBUG = False", "DEBUG = True")}


def places(folder) -> list[tuple[str, str]]:
    """(rule, place) of all findings."""
    return [(one.id, str(one.place)) for one in examine(Project(str(folder))).findings]


@pytest.mark.parametrize(
    ("edits", "code", "summary"),
    [
        ({}, 0, "0 errors, 0 warnings in 9 Python files; settings: config/settings.py"),
        (WARNING, 0, "0 errors, 1 warning in 9 Python files; settings: config/settings.py"),
        (ERROR, 1, "1 error, 0 warnings in 9 Python files; settings: config/settings.py"),
    ],
)
def test_exit_codes(tmp_path, edits, code, summary):
    done = doctor(write(tmp_path, edits))
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.splitlines()[-1] == summary


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_has_enough_is_no_traceback(tmp_path, options):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = doctor(write(tmp_path, ERROR), *options, output=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_list_that_is_nested_too_deeply_is_no_bug_of_the_doctor(tmp_path):
    done = doctor(write(tmp_path, {"package.json": "[" * 200_000}))
    assert (done.returncode, done.stderr) == (0, "")


def test_looking_a_module_up_does_not_walk_the_whole_project(tmp_path):
    """Each rule looks up each import: in a tree of 2,000 files that took two thirds of the doctor's time."""

    class Walked(dict):
        walks = 0

        def __iter__(self):
            Walked.walks += 1
            return super().__iter__()

    files = Project(str(write(tmp_path, {"manage.py": ""}))).files
    files.modules = Walked(files.modules)
    assert all(files.module("config.settings") for _ in range(50))
    assert Walked.walks <= 1
    files.modules["below/manage.py"] = files.modules["below/chat.py"] = files.modules["manage.py"]
    assert files.module("chat"), "what is added counts"


def test_text(tmp_path):
    lines = doctor(write(tmp_path, ERROR)).stdout.splitlines()
    assert lines[0] == "config/settings.py"
    assert lines[1] == "  5: channels_stack.E507 DEBUG is True"
    assert lines[2].startswith("        In production: every error page shows sources")
    assert lines[-3] == '            DEBUG = os.environ.get("DEBUG") == "1"'


def test_json(tmp_path):
    done = doctor(write(tmp_path, ERROR), "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["findings"] == [
        {
            "id": "channels_stack.E507",
            "level": "error",
            "file": "config/settings.py",
            "line": 5,
            "problem": "DEBUG is True",
            "production": next(rule.production for rule in rules() if rule.id.endswith("E507")),
            "instead": next(rule.instead for rule in rules() if rule.id.endswith("E507")),
        }
    ]
    assert told["summary"]["errors"] == 1


def test_the_list_of_rules():
    done = doctor("--list")
    assert done.returncode == 0
    ids = re.findall(r"^channels_stack\.[EW](\d{3}) ", done.stdout, re.MULTILINE)
    assert ids == sorted(set(ids)) and len(ids) == len(rules())
    listed = json.loads(doctor("--list", "--json").stdout)["rules"]
    assert [rule["id"] for rule in listed] == [rule.id for rule in rules()]


def test_reading_needs_only_the_standard_library(tmp_path):
    write(tmp_path)
    (tmp_path / "started.py").write_text(
        "import sys; from channels_stack.commands.cli import main; print(main(['doctor', '.'])); print(*sys.modules, sep='\\n')"
    )
    done = os.popen(f"cd {tmp_path} && PYTHONPATH={RUNTIME} {os.sys.executable} -B started.py").read()
    loaded = {name.partition(".")[0] for name in done.split()}
    assert "channels_stack" in loaded
    assert not loaded & {"django", "channels", "redis", "psycopg", "asyncio"}


def test_no_secret_is_printed(tmp_path):
    edits = {
        S: [
            (KEY, 'SECRET_KEY = "swordfish"'),
            ('os.environ["REDIS_URL"]', '"redis://user:hunter2@127.0.0.1:6379/0"'),
        ]
    }
    done = doctor(write(tmp_path, edits))
    assert done.returncode == 1
    assert "swordfish" not in done.stdout and "hunter2" not in done.stdout


class TestWhatCannotBeRead:
    """Exit code 2 and one line that says why and what to do."""

    def refused(self, *arguments, **environment) -> str:
        done = doctor(*arguments, **environment)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("channels-stack doctor: ")
        return line

    def test_a_missing_path(self, tmp_path):
        assert "is not there" in self.refused(tmp_path / "nowhere")

    def test_a_file(self, tmp_path):
        (tmp_path / "settings.py").write_text("DEBUG = True\n")
        assert "is a file: name the folder" in self.refused(tmp_path / "settings.py")

    def test_no_project(self, tmp_path):
        (tmp_path / "hello.py").write_text("print('hello')\n")
        assert "holds no Django project" in self.refused(tmp_path)

    def test_an_empty_folder(self, tmp_path):
        assert "holds no Django project" in self.refused(tmp_path)

    def test_settings_that_are_not_there(self, tmp_path):
        line = self.refused(write(tmp_path), "--settings", "config.production")
        assert "holds no module config.production" in line

    def test_a_stack_without_addresses(self, tmp_path):
        assert "REDIS_URL: is not set, nor is DATABASE_URL" in self.refused(write(tmp_path), "--stack")


class TestBadFiles:
    """One bad file does not keep the others from being read."""

    def test_a_syntax_error(self, tmp_path):
        folder = write(tmp_path, {**ERROR, "chat/broken.py": "x = 1\nprint 'Python 2'\n"})
        assert places(folder) == [
            ("channels_stack.E001", "chat/broken.py:2"),
            ("channels_stack.E507", "config/settings.py:5"),
        ]

    def test_settings_with_a_syntax_error(self, tmp_path):
        folder = write(
            tmp_path, {S: "DEBUG = True\nif DEBUG\n", "chat/extra.py": "from channels import Group\n"}
        )
        assert ("channels_stack.E001", "config/settings.py:2") in places(folder)
        assert ("channels_stack.E106", "chat/extra.py:1") in places(folder)

    def test_a_binary_file(self, tmp_path):
        write(tmp_path, ERROR)
        (tmp_path / "chat/image.py").write_bytes(bytes(range(256)) * 40)
        (tmp_path / "requirements-dev.txt").write_bytes(bytes(range(256)) * 40)
        found = places(tmp_path)
        assert found[0][0] == "channels_stack.E001" and found[0][1].startswith("chat/image.py")
        assert ("channels_stack.E507", "config/settings.py:5") in found

    def test_zeros(self, tmp_path):
        write(tmp_path)
        (tmp_path / "chat/zeros.py").write_bytes(b"\0" * 100)
        assert [id_ for id_, _ in places(tmp_path)] == ["channels_stack.E001"]

    def test_a_huge_file(self, tmp_path):
        write(tmp_path)
        (tmp_path / "chat/data.py").write_text("DATA = [\n" + "    'x',\n" * 400_000 + "]\n")
        assert places(tmp_path) == [("channels_stack.W002", "chat/data.py")]

    def test_deep_nesting(self, tmp_path):
        deep = "(" * 150 + "1" + ")" * 150 + "\n" + "x = " + " + ".join(["1"] * 3000) + "\n"
        write(
            tmp_path,
            {
                "chat/deep.py": deep,
                S: ("DEBUG = False", "NUMBER = " + " + ".join(["1"] * 3000) + "\nDEBUG = True"),
            },
        )
        assert ("channels_stack.E507", "config/settings.py:6") in places(tmp_path)

    def test_a_circle_of_links(self, tmp_path):
        write(tmp_path, ERROR)
        (tmp_path / "chat/again").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "chat/self.py").symlink_to(tmp_path / "chat/self.py")
        (tmp_path / "chat/nowhere.py").symlink_to(tmp_path / "chat/gone.py")
        found = places(tmp_path)
        assert ("channels_stack.E507", "config/settings.py:5") in found
        assert {place for id_, place in found if id_ == "channels_stack.W002"} == {
            "chat/nowhere.py",
            "chat/self.py",
        }

    def test_a_link_to_a_file_is_read_once(self, tmp_path):
        write(tmp_path, {"chat/extra.py": "from channels import Group\n"})
        (tmp_path / "chat/other.py").symlink_to(tmp_path / "chat/extra.py")
        assert places(tmp_path) == [("channels_stack.E106", "chat/extra.py:1")]

    def test_a_pipe(self, tmp_path):
        """Reading it would wait for ever."""
        write(tmp_path)
        os.mkfifo(tmp_path / "chat/pipe.py")
        (tmp_path / "chat/link.py").symlink_to("pipe.py")
        assert places(tmp_path) == []

    def test_a_file_that_cannot_be_read(self, tmp_path):
        write(tmp_path)
        (tmp_path / "chat/memory.py").symlink_to("/proc/self/mem")  # not even root reads its beginning
        assert places(tmp_path) == [("channels_stack.W002", "chat/memory.py")]

    def test_latin_1_that_says_so(self, tmp_path):
        write(tmp_path)
        text = "# -*- coding: latin-1 -*-\nname = 'Größe'\nfrom channels import Group\n"
        (tmp_path / "chat/sizes.py").write_bytes(text.encode("latin-1"))
        assert places(tmp_path) == [("channels_stack.E106", "chat/sizes.py:3")]

    def test_latin_1_that_does_not(self, tmp_path):
        write(tmp_path)
        (tmp_path / "chat/sizes.py").write_bytes("x = 1\nname = 'Größe'\n".encode("latin-1"))
        assert places(tmp_path) == [("channels_stack.E001", "chat/sizes.py:2")]

    def test_a_byte_order_mark(self, tmp_path):
        write(tmp_path)
        (tmp_path / "chat/sizes.py").write_bytes(b"\xef\xbb\xbfx = 1\n")
        assert places(tmp_path) == []

    def test_settings_that_import_each_other(self, tmp_path):
        write(
            tmp_path,
            {
                S: ("import os\n", "import os\nfrom .local import *\n"),
                "config/local.py": "from .settings import *\n",
            },
        )
        assert places(tmp_path) == []


class TestSilence:
    """What a project says it knows about."""

    def test_by_a_setting(self, tmp_path):
        edits = {S: ("DEBUG = False", 'DEBUG = True\nSILENCED_SYSTEM_CHECKS = ["channels_stack.E507"]')}
        done = doctor(write(tmp_path, edits))
        assert done.returncode == 0
        assert done.stdout.strip().endswith("; 1 silenced")

    def test_by_a_comment_on_the_line(self, tmp_path):
        edits = {S: ("DEBUG = False", "DEBUG = True  # channels-stack: ignore E507 (a demonstration)")}
        assert places(write(tmp_path, edits)) == []

    def test_another_rule_still_speaks(self, tmp_path):
        edits = {S: ("DEBUG = False", "DEBUG = True  # channels-stack: ignore E506")}
        assert len(places(write(tmp_path, edits))) == 1


class TestWhichSettings:
    """Of several settings modules the one for production is judged."""

    def test_production_and_what_it_imports(self, tmp_path):
        write(
            tmp_path,
            {
                "config/settings.py": None,
                "config/settings/__init__.py": "",
                "config/settings/base.py": "INSTALLED_APPS = ['channels']\nDEBUG = True\nfrom .hosts import *\n",
                "config/settings/hosts.py": "ALLOWED_HOSTS = []\n",
                "config/settings/production.py": "from .base import *\n\nDEBUG = False\n",
                "config/settings/dev.py": "from .base import *\n\nALLOWED_HOSTS = ['*']\n",
            },
        )
        project = Project(str(tmp_path))
        assert [settings.path for settings in project.settings] == ["config/settings/production.py"]
        found = places(tmp_path)
        assert ("channels_stack.E509", "config/settings/hosts.py:1") in found
        assert not {"channels_stack.E507", "channels_stack.W510"} & {id_ for id_, _ in found}

    def test_the_one_that_is_named(self, tmp_path):
        write(tmp_path, {"config/demo.py": "from .settings import *\n\nDEBUG = True\n"})
        assert doctor(tmp_path).returncode == 0
        assert doctor(tmp_path, "--settings", "config.demo").returncode == 1
        assert doctor(tmp_path, APP_SETTINGS="config.demo").returncode == 1

    def test_app_settings_of_another_project(self, tmp_path):
        done = doctor(write(tmp_path), APP_SETTINGS="mysite.settings")
        assert done.returncode == 0
        assert "APP_SETTINGS is mysite.settings, which is not in" in done.stderr

    def test_a_folder_below(self, tmp_path):
        write(tmp_path / "backend", ERROR)
        assert places(tmp_path) == [("channels_stack.E507", "backend/config/settings.py:5")]

    def test_a_virtual_environment_is_not_read(self, tmp_path):
        write(tmp_path)
        write(tmp_path / "env/lib/python3.13", ERROR)
        (tmp_path / "env/pyvenv.cfg").write_text("home = /usr/bin\n")
        assert places(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("requirements/base.txt", "Django>=5\nchannels[daphne] == 3.0.5 ; python_version > '3'\n", 2),
        ("pyproject.toml", '[project]\nname = "x"\ndependencies = [\n  "channels>=3,<4",\n]\n', 4),
        ("pyproject.toml", '[dependency-groups]\nweb = ["Django>=5.2.14", "channels~=3.0"]\n', 2),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.10"\nchannels = "^3.0"\n', 3),
        (
            "pyproject.toml",
            '[tool.poetry.dependencies]\nchannels = {version = "3.0.5", extras = ["daphne"]}\n',
            2,
        ),
        ("uv.lock", '[[package]]\nname = "channels"\nversion = "3.0.5"\nsource = { registry = "" }\n', 3),
        ("Pipfile", '[packages]\nchannels = "==3.0.5"\n', 2),
        ("Pipfile.lock", '{\n"default": {\n    "channels": {\n        "version": "==3.0.5"\n', 4),
        ("setup.cfg", "[options]\ninstall_requires =\n    channels<4\n", 3),
    ],
)
def test_where_packages_are_asked_for(tmp_path, path, text, line):
    write(tmp_path, {REQUIREMENTS: "", S: ('["channels", ', '["daphne", "channels", '), path: text})
    assert places(tmp_path) == [("channels_stack.E701", f"{path}:{line}")]


class TestRun:
    """--run: what only the imported project tells."""

    VARIABLES = {"SECRET_KEY": "x1y2z3" * 9, "DOMAINS": "example.org", "REDIS_URL": "redis://redis:6379/0"}

    def run(self, folder, **environment) -> dict[str, str]:
        """Rule -> what was wrong."""
        done = doctor(folder, "--run", "--json", **{**self.VARIABLES, **environment})
        told = json.loads(done.stdout)
        assert done.returncode == (1 if told["summary"]["errors"] else 0), done.stderr
        return {
            one["id"][len("channels_stack.") :]: f"{one['file']}:{one['line']} {one['problem']}"
            for one in told["findings"]
        }

    def test_the_sound_project(self, tmp_path):
        assert self.run(write(tmp_path, {"config/settings.py": (KEY, "print('noise')\n" + KEY)})) == {}

    def test_settings_that_fail(self, tmp_path):
        variables = {name: value for name, value in self.VARIABLES.items() if name != "SECRET_KEY"}
        done = doctor(write(tmp_path), "--run", **variables)
        assert done.returncode == 1
        assert "4: channels_stack.E801 KeyError: 'SECRET_KEY'" in done.stdout

    def test_an_application_that_fails(self, tmp_path):
        folder = write(
            tmp_path, {ASGI: ("application = Prot", "raise SystemExit('no licence')\napplication = Prot")}
        )
        assert self.run(folder) == {"E802": "config/asgi.py:16 SystemExit: no licence"}

    def test_an_application_that_is_not_there(self, tmp_path):
        found = self.run(write(tmp_path), APP_ASGI="config.asgi:app")
        assert found == {
            "E802": "config/asgi.py:None AttributeError: module 'config.asgi' has no attribute 'app'"
        }

    def test_a_value_that_only_the_environment_gives(self, tmp_path):
        folder = write(tmp_path, {S: ("DEBUG = False", 'DEBUG = bool(os.environ.get("DEBUG"))')})
        assert self.run(folder) == {}
        assert self.run(folder, DEBUG="1") == {"E507": "config/settings.py:5 DEBUG is True"}

    def test_a_bare_consumer_that_the_source_hides(self, tmp_path):
        hidden = "routes = [path(f'{name}/', getattr(consumers, name)) for name in ('Chat',)]\n"
        folder = write(
            tmp_path,
            {"chat/routing.py": "from django.urls import path\n\nfrom . import consumers\n\n" + hidden},
        )
        assert self.run(folder) == {
            "E803": "config/asgi.py:None the route Chat/ is chat.consumers.Chat, a class: .as_asgi() is missing"
        }

    def test_a_router_made_by_a_function(self, tmp_path):
        folder = write(
            tmp_path,
            {
                ASGI: [
                    ('        "http": django_application,\n', ""),
                    ("ProtocolTypeRouter(\n    {", "ProtocolTypeRouter(\n    dict(**{"),
                    ("}),\n    }\n)", "}),\n    })\n)"),
                ]
            },
        )
        assert self.run(folder) == {"E804": "config/asgi.py:None the router knows 'channel', 'websocket'"}

    def test_origins_that_the_source_hides(self, tmp_path):
        folder = write(tmp_path, {ASGI: ('["https://example.org"]', "'* '.split()")})
        assert list(self.run(folder)) == ["E805"]

    def test_a_layer_that_cannot_be_made(self, tmp_path):
        folder = write(tmp_path, {S: ('"channels_redis.core.RedisChannelLayer"', '"chat.layers.Missing"')})
        assert "Cannot import BACKEND 'chat.layers.Missing'" in self.run(folder)["E806"]

    def test_the_installed_redis_counts(self, tmp_path):
        """The file asks for redis 7; what is installed is 8."""
        folder = write(
            tmp_path, {S: ('"socket_timeout": 15, ', ""), REQUIREMENTS: ("redis==8.1.0", "redis==7.4.1")}
        )
        assert doctor(folder).returncode == 0
        assert list(self.run(folder)) == ["E307"]

    def test_the_reference_application(self):
        from specimens import ROOT

        variables = {"DATABASE_URL": "postgresql://app:none@db/app", **self.VARIABLES}
        assert self.run(ROOT / "app", **variables) == {}
