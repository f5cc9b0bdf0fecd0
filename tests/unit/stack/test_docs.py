"""README and docs say what is true: settings, verbs, files, length."""

import itertools
import re

import pytest

from channels_stack_deploy.config import settings


@pytest.fixture
def readme(root):
    return (root / "README.md").read_text()


@pytest.fixture(params=["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs"])
def pages(root, request):
    """The text of one page at the top, or of all pages under docs/ together."""
    path = root / request.param
    return (
        path.read_text()
        if path.is_file()
        else "\n".join(each.read_text() for each in sorted(path.rglob("*.md")))
    )


def test_the_settings_table_is_the_example(root):
    table = (root / "docs/reference/settings.md").read_text()
    told = dict(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| `?([^|`]*?)`? \|", table, re.M))
    assert {name: value.strip() for name, value in told.items()} == settings.defaults()


def test_the_memory_of_a_container_holds_the_sockets_that_it_takes(root):
    """By the formula and the figures of docs/operations/sizing.md, with the defaults."""
    text = (root / "docs/operations/sizing.md").read_text()
    defaults = settings.defaults()
    for service, most, memory in (
        ("edge", "EDGE_MAXCONN", "EDGE_MEMORY"),
        ("ws", "WS_MAX_SOCKETS", "WS_MEMORY"),
    ):
        row = re.search(rf"^\| `{service}`.*\|$", text, re.M)[0]
        _, _, idle, socket, told, _ = row.split("|")
        assert told == f" {defaults[memory]}: {int(defaults[most]):,} (`{most}`) "
        kib = max(int(number) for number in re.findall(r"\d+(?= KiB)", socket))
        mebibytes = int(defaults[memory].removesuffix("M")) * 3 / 4 - int(re.search(r"\d+", idle)[0])
        assert int(defaults[most]) <= mebibytes * 1024 / kib, row


def test_every_verb_has_a_line_of_help(root):
    lines = (root / "Makefile").read_text().splitlines()
    bare = [
        line
        for before, line in itertools.pairwise(lines)
        if re.match(r"[a-z-]+:", line) and not before.startswith("## ")
    ]
    assert bare == []


def test_every_file_they_name_exists_or_is_made(pages, root):
    made = (
        "compose/stack.env",
        "compose/app.env",
        "compose/.env",
        "compose/secrets",
        "compose/tls",
        "compose/acme",
        "compose/environments",
        "compose/hooks",
        "ansible/inventory/production/.stack",
        "ansible/inventory/production/probes.ini",
        "ansible/inventory/production/hooks",
    )
    paths = set(re.findall(r"\b((?:app|compose|images|tests|docs|ansible|src)/[\w./-]*\w)", pages))
    assert [path for path in sorted(paths) if not path.startswith(made) and not (root / path).exists()] == []


def test_every_link_of_theirs_leads_to_a_file(root):
    for page in [*root.glob("*.md"), *(root / "docs").rglob("*.md")]:
        links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
        assert [link for link in links if not (page.parent / link).exists()] == [], page.name


def test_readme_stays_readable(readme):
    assert len(readme.splitlines()) <= 200
