"""make adopt: the lines that it writes, and what make up and make doctor make of them."""

import os

import pytest
from layouts import PLAIN, SETTINGS, SPLIT, below

from channels_stack_deploy.adopt import command, lines
from channels_stack_deploy.adopt.findings import Line
from channels_stack_deploy.adopt.proposal import NAMES, propose
from channels_stack_deploy.config import settings
from channels_stack_deploy.console import Failure
from channels_stack_deploy.paths import EXAMPLE


def wanted(**values):
    return {
        name: Line(name, value, "mysite/x.py:1") for name, value in {"APP_DIR": "../../p", **values}.items()
    }


@pytest.mark.parametrize(
    ("names", "value"), [(("development", "production"), "production"), (("one", "two"), None)]
)
def test_the_variable_that_chooses_the_files_of_settings(make, names, value):
    """django-split-settings: its default is a developer's, and the files tell what production is called."""
    folder = make(
        PLAIN,
        {
            "mysite/settings.py": "from os import environ\nfrom split_settings.tools import include, optional\n"
            'environ.setdefault("SITE_ENV", "development")\nENV = environ["SITE_ENV"]\n'
            'include("parts/common.py", optional(f"environments/{ENV}.py"))\n',
            "mysite/parts/common.py": SETTINGS,
            **{f"mysite/environments/{name}.py": "DEBUG = False\n" for name in names},
        },
    )
    (variable,) = propose(folder).variables
    assert (variable.name, variable.value) == ("SITE_ENV", value)


def test_lines_are_written_where_the_example_has_them_and_once():
    example = EXAMPLE.read_text()
    first = lines.merge(
        example, example, wanted(APP_SETTINGS="a.b", APP_DEBIAN="trixie", APP_RELEASE_COMMANDS=""), NAMES
    )
    assert (
        "\n#APP_SETTINGS=config.settings\n# make adopt wrote APP_SETTINGS=a.b: mysite/x.py:1\nAPP_SETTINGS=a.b\n"
        in first.text
    )
    assert "\nAPP_DEBIAN" not in first.text, "what is the default needs no line"
    assert "APP_RELEASE_COMMANDS=demo" not in first.text and "\nAPP_RELEASE_COMMANDS=\n" in first.text
    again = lines.merge(first.text, example, wanted(APP_SETTINGS="a.b", APP_RELEASE_COMMANDS=""), NAMES)
    assert again.text == first.text and again.changed == [] and again.kept == []


def test_what_adopt_wrote_follows_the_project_and_is_said():
    example = EXAMPLE.read_text()
    first = lines.merge(example, example, wanted(APP_SETTINGS="a.b", APP_PACKAGES="libpq5"), NAMES)
    then = lines.merge(first.text, example, wanted(APP_SETTINGS="a.c"), NAMES)
    assert "APP_SETTINGS=a.b" not in then.text and "\nAPP_SETTINGS=a.c\n" in then.text
    assert "\nAPP_PACKAGES=" not in then.text
    assert "was APP_SETTINGS=a.b" in then.changed[0] and "APP_PACKAGES=libpq5 is gone" in then.changed[1]


def test_an_operators_own_lines_stay_and_that_is_said():
    example = EXAMPLE.read_text()
    own = example + "\nDOMAINS=a.example\nAPP_SETTINGS=mine\nAPP_PACKAGES=ffmpeg\n"
    merged = lines.merge(own, example, wanted(APP_SETTINGS="a.b", APP_PACKAGES="ffmpeg"), NAMES)
    assert merged.text.endswith("\nDOMAINS=a.example\nAPP_SETTINGS=mine\nAPP_PACKAGES=ffmpeg\n")
    (kept,) = merged.kept
    assert kept.startswith("APP_SETTINGS=mine is yours and stays; adopt would write APP_SETTINGS=a.b")
    # So is one that adopt wrote and an operator changed.
    written = lines.merge(example, example, wanted(APP_SETTINGS="a.b"), NAMES).text
    edited = written.replace("\nAPP_SETTINGS=a.b\n", "\nAPP_SETTINGS=mine\n")
    assert "\nAPP_SETTINGS=mine\n" in lines.merge(edited, example, wanted(APP_SETTINGS="a.b"), NAMES).text


def test_lines_of_another_project_are_not_mixed_with_this_one():
    example = EXAMPLE.read_text()
    own = example + "\nAPP_DIR=../../other\nAPP_SETTINGS=other.settings\n"
    with pytest.raises(Failure, match=r"describes \.\./\.\./other: remove its lines APP_SETTINGS"):
        lines.merge(own, example, wanted(APP_SETTINGS="a.b"), NAMES)
    moved = lines.merge(
        example, example, wanted(APP_SETTINGS="other.settings", APP_DIR="../../other"), NAMES
    ).text
    merged = lines.merge(moved, example, wanted(APP_SETTINGS="a.b"), NAMES)
    assert (
        "was APP_DIR=../../other" in merged.changed[0]
        and "was APP_SETTINGS=other.settings" in merged.changed[1]
    )


def test_adopt_writes_both_files_once_and_prints_no_secret(make, deployment, capfd):
    source = (
        SETTINGS + 'import os\nSECRET_KEY = os.environ["KEY"]\nAPI = os.environ["API"]\nB = os.environ["B"]\n'
    )
    folder = make(PLAIN, {"mysite/settings.py": source, ".env.production": "API=topsecret $1\n"})
    command.adopt(deployment, str(folder))
    said = capfd.readouterr().out
    text = deployment.application.read_text()
    assert "\nAPI='topsecret $1'\n" in text and "\n#B=\n" in text and "mysite/settings.py:5, required" in text
    assert "topsecret" not in said and "API    (mysite/settings.py:5; .env.production:1)" in said
    assert (
        "B: mysite/settings.py:6 wants this variable" in said and "channels-stack doctor" in said
    ) or "doctor" in said
    assert deployment.application.stat().st_mode & 0o77 == 0
    before = deployment.settings.read_text(), text
    deployment.application.write_text(text.replace("#B=", "B=1"))
    command.adopt(deployment, str(folder))
    said = capfd.readouterr().out
    assert (
        deployment.settings.read_text(),
        deployment.application.read_text().replace("B=1", "#B="),
    ) == before
    assert "wants this variable" not in said and "says all that was found already" in said


def test_what_the_files_for_production_leave_open_is_asked_for_until_it_is_written(make, deployment, capfd):
    names = ("MAIL_KEY", "ADMIN_URL", "DSN", "TOKEN")
    source = SETTINGS + "import os\n" + "".join(f'{name} = os.environ["{name}"]\n' for name in names)
    source += 'SECRET_KEY = os.environ["KEY"]\nMORE = os.environ.get("MORE")\n'
    values = (
        "MAIL_KEY=\nADMIN_URL=!!!SET ADMIN_URL!!!\nDSN=<your dsn>\nTOKEN=setting\nKEY=!!!SET KEY!!!\nMORE=\n"
    )
    folder = make(PLAIN, {"mysite/settings.py": source, ".envs/.production/.django": values})
    command.adopt(deployment, str(folder))
    (asked,) = [line for line in capfd.readouterr().out.splitlines() if "for you to write" in line]
    assert [name for name in (*names, "KEY", "MORE") if f" {name} (.envs" in asked] == [
        "MAIL_KEY",
        "ADMIN_URL",
        "DSN",
    ]
    text = deployment.application.read_text()
    assert "!!!SET KEY!!!" not in text and "\nMAIL_KEY=\n" in text
    deployment.application.write_text(text.replace("MAIL_KEY=", "MAIL_KEY=1"))
    command.adopt(deployment, str(folder))
    said = capfd.readouterr().out
    assert "ADMIN_URL (.envs" in said and "MAIL_KEY (.envs" not in said


@pytest.mark.parametrize(
    "source",
    [
        'CORS_ALLOWED_ORIGINS = os.environ["ORIGINS"].split(",")\n',
        # What the overlay sets follows from it, and it is read by itself too.
        'CORS_ALLOWED_ORIGINS = os.environ["ORIGINS"].split(",")\nCSRF_TRUSTED_ORIGINS = CORS_ALLOWED_ORIGINS\n',
    ],
)
def test_origins_of_front_ends_are_this_site_and_the_line_names_where_others_go(
    make, deployment, capfd, source
):
    folder = make(PLAIN, {"mysite/settings.py": SETTINGS + "import os\n" + source})
    command.adopt(deployment, str(folder))
    said = capfd.readouterr().out
    assert "\nORIGINS=https://localhost\n" in deployment.application.read_text()
    assert "ALLOWED_ORIGINS of stack.env" in said and "only has to be there" not in said


def test_adopt_ends_with_what_a_person_has_to_write(make, deployment, capfd):
    folder = make({name: text for name, text in PLAIN.items() if "asgi" not in name})
    with pytest.raises(Failure, match="APP_ASGI could not be determined"):
        command.adopt(deployment, str(folder))
    with deployment.settings.open("a") as file:
        file.write("APP_ASGI=mysite.wsgi:application\n")
    command.adopt(deployment, str(folder))


def test_what_cannot_run_is_said_before_anything_is_asked(make, deployment, capfd):
    """A project of Channels 1 has no asgi.py: writing one would not help."""
    old = {"chat/__init__.py": "", "chat/consumers.py": "from channels import Group\n"}
    folder = make({name: text for name, text in PLAIN.items() if "asgi" not in name}, old)
    with pytest.raises(
        Failure, match=r"written for Channels 1 \(chat/consumers.py:1: from channels import Group\)"
    ):
        command.adopt(deployment, str(folder))
    assert "E106" in capfd.readouterr().out


def test_up_says_in_one_line_what_adopt_would_write(make, deployment):
    folder = make(PLAIN)
    deployment.folder.mkdir()
    deployment.settings.write_text(f"APP_DIR={folder}\n")
    with pytest.raises(Failure) as refused:
        command.undescribed(deployment, settings.load(deployment.settings))
    text = str(refused.value)
    assert "\n" not in text and f"make adopt P={folder}" in text
    assert "APP_SETTINGS=mysite.settings, APP_ASGI=mysite.asgi:application" in text
    deployment.settings.write_text(f"APP_DIR={folder}\nAPP_SETTINGS=a\nAPP_ASGI=b:c\n")
    command.undescribed(deployment, settings.load(deployment.settings))
    deployment.settings.write_text("DOMAINS=localhost\n")
    command.undescribed(deployment, settings.load(deployment.settings))


def test_the_doctor_takes_the_lines_of_stack_env_or_those_that_adopt_finds(make, deployment, capfd):
    folder = make(
        below("server", SPLIT) | {"server/config/settings/heroku.py": "from .base import *\nDEBUG = True\n"}
    )
    command.doctor(deployment, str(folder))
    assert "server/config/settings/production.py" in capfd.readouterr().out
    deployment.folder.mkdir()
    deployment.settings.write_text(
        f"APP_DIR={folder}\nAPP_PATH=server\nAPP_SETTINGS=config.settings.heroku\nAPP_ASGI=x:y\n"
    )
    for path in ("", str(folder), os.path.relpath(folder)):
        command.doctor(deployment, path)
        assert "server/config/settings/heroku.py" in capfd.readouterr().out


def test_the_doctor_leaves_out_what_the_stack_sets_unless_the_overlay_is_off(make, deployment, capfd):
    folder = make(PLAIN, {"mysite/settings.py": SETTINGS + "ALLOWED_HOSTS = []\n"})
    command.doctor(deployment, str(folder))
    said = capfd.readouterr().out
    assert "E509" not in said and "left out, which the stack itself sets right" in said
    deployment.folder.mkdir()
    deployment.settings.write_text(f"APP_DIR={folder}\nAPP_SETTINGS=mysite.settings\nAPP_OVERLAY=-hosts\n")
    command.doctor(deployment, "")
    assert "E509 ALLOWED_HOSTS is empty" in capfd.readouterr().out


def test_the_doctor_does_not_ask_for_the_redis_that_stack_env_has(make, deployment, capfd):
    source = (
        SETTINGS + 'REDIS = "redis://redis:6379"\n'
        'CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": REDIS}}\n'
        'CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS]}}}\n'
    )
    folder = make(PLAIN, {"mysite/settings.py": source})
    deployment.folder.mkdir()
    for line, is_asked in (
        ("APP_REDIS=", True),
        ("APP_REDIS=cache", False),
        ("APP_REDIS=cache\nAPP_OVERLAY=-redis", True),
    ):
        deployment.settings.write_text(f"APP_DIR={folder}\nAPP_SETTINGS=mysite.settings\n{line}\n")
        command.doctor(deployment, "")
        assert ("W313" in capfd.readouterr().out) == is_asked
