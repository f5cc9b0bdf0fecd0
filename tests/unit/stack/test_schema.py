"""One schema of settings: whatever else lists them says the same."""

import dataclasses
import re
import string

import pytest

from channels_stack_deploy.config import concurrency, edge, environments, schema, settings, stores
from channels_stack_deploy.local import compose
from channels_stack_deploy.paths import EXAMPLE

REQUIRED = {
    "SECRET_KEY": string.ascii_letters,
    "DATABASE_URL": "postgresql://u:p@db/app",
    "REDIS_URL": "redis://redis",
}

DERIVED = {
    **dict.fromkeys(("HTTP_TMP", "HTTP_MAXCONN"), ("SERVER_HTTP", "HTTP_PROCESSES", "HTTP_CONCURRENCY")),
    "DB_MAX_CONNECTIONS": ("DB_MEMORY",),
    **dict.fromkeys(
        ("APP_REDIS_MAXMEMORY", "APP_REDIS_POLICY", "APP_REDIS_APPENDONLY"), ("APP_REDIS", "APP_REDIS_MEMORY")
    ),
    "STOP_GRACE": ("STOP_SECONDS",),
    "BACKUP_FOLDER": ("BACKUP_REPOSITORY",),
    "BIND_ADDRESS_6": ("BIND_ADDRESS",),
    "SITE": ("DOMAINS",),
}
"""Variable of the Compose files -> the settings that it follows from."""


def test_the_example_lists_the_settings_in_the_order_of_the_schema():
    lines = map(settings.LINE.match, EXAMPLE.read_text().splitlines())
    assert tuple(match["name"] for match in lines if match) == schema.NAMES


def test_the_first_choice_is_the_default():
    example = settings.defaults()
    assert {name: choices[0] for name, choices in schema.CHOICES.items()} == {
        name: example[name] for name in schema.CHOICES
    }


def test_the_application_is_given_what_the_runtime_reads(root):
    from channels_stack.config.settings import Settings

    fields = {field.name.upper() for field in dataclasses.fields(Settings)}
    given = schema.read_by(schema.APPLICATION, schema.RELEASE)
    assert fields & set(schema.NAMES) == given - {"APP_PATH", "APP_REDIS", "PUBLIC_PORT"}
    sources = "\n".join(path.read_text() for path in (root / "src/channels_stack").rglob("*.py"))
    assert [name for name in given if f'"{name}"' not in sources] == []


@pytest.mark.parametrize(
    ("name", "word"), [(name, word) for name, words in schema.CHOICES.items() for word in words]
)
def test_the_runtime_takes_the_same_words(name, word):
    from channels_stack.config.settings import Settings

    given = Settings.from_environment({**REQUIRED, name: word})
    if hasattr(given, name.lower()):
        assert getattr(given, name.lower()) == word


def test_the_edge_is_given_what_its_configuration_reads(root):
    text = (root / "images/edge/haproxy.cfg").read_text()
    named = set(re.findall(r"^\s+presetenv (\w+)", text, re.M))
    assert named & set(schema.NAMES) == schema.read_by(schema.EDGE)


def test_definitions_read_what_the_compose_files_name(root):
    named = set()
    for path in (root / "compose").glob("compose*.yml"):
        named |= set(re.findall(r"\$\{(\w+)", path.read_text()))
    named |= {name for made in named & DERIVED.keys() for name in DERIVED[made]}
    # The development server mounts the sources: `make dev` alone.
    assert (named & set(schema.NAMES)) - {"APP_DIR"} - schema.read_by(schema.CONTAINERS) == set()


def test_builds_read_what_their_modules_name(root):
    sources = (root / "src/channels_stack_deploy/channels_stack_deploy/build").glob("*.py")
    text = "\n".join(path.read_text() for path in sources)
    named = set(re.findall(r'"([A-Z][A-Z0-9_]+)"', text)) & set(schema.NAMES)
    # These two decide whether there is an image, not what it is.
    assert named - {"CERTIFICATE", "BACKUP_REPOSITORY"} == schema.read_by(schema.BUILD)


def test_the_reference_names_the_readers_of_each(root):
    table = (root / "docs/reference/settings.md").read_text()
    rows = dict(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|.*\| ([a-z, ]+) \|$", table, re.M))
    assert rows == {
        setting.name: ", ".join(reader.value for reader in setting.readers) for setting in schema.SETTINGS
    }
    assert [reader.value for reader in schema.Reader if f"| `{reader.value}` |" not in table] == []


@pytest.mark.parametrize("setting", schema.SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_reaches_its_readers_alone(deployment, setting):
    deployment.folder.mkdir()
    chosen = settings.defaults() | {"APP_REDIS": "both"}
    other = next((word for word in setting.choices if word != chosen[setting.name]), "17")
    chosen[setting.name] = other
    deployment.settings.write_text(f"#{setting.name}=example\n {setting.name}={other}\r\n")
    compose.write_services(deployment)
    read = {
        schema.APPLICATION: deployment.services.read_text(),
        schema.RELEASE: deployment.releasing.read_text(),
        schema.EDGE: edge.contents(chosen, "")["settings.env"],
    }
    line = f"{setting.name}={other}\n"
    assert {reader for reader, text in read.items() if line in text} == set(setting.readers) & read.keys()
    assert "example" not in "".join(read.values())


def test_what_the_containers_are_given_follows_from_settings():
    given = concurrency.derived(settings.defaults()) | stores.derived(settings.defaults())
    assert given.keys() <= DERIVED.keys()
    readers = schema.read_by(schema.CONTAINERS)
    assert {name for names in DERIVED.values() for name in names} <= readers


def test_a_new_environment_shares_what_decides_its_images():
    assert schema.read_by(schema.BUILD) <= environments.SHARED
    assert not {"DOMAINS", "HTTPS_PORT", "BACKUP_REPOSITORY", "LOG_LEVEL"} & environments.SHARED
