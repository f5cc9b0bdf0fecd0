"""The JavaScript client's package: small, complete, and speaking the protocol of the consumer. It runs in tests/client."""

from __future__ import annotations

import gzip
import json
import pathlib
import re

from channels_stack.groups import protocol

ROOT = pathlib.Path(__file__).parents[3]
PACKAGE = ROOT / "src/client"
SOURCE = (PACKAGE / "recoverable.js").read_text()
TYPES = (PACKAGE / "recoverable.d.ts").read_text()


def test_it_is_below_4_kilobytes_compressed():
    assert len(gzip.compress(SOURCE.encode(), 9)) < 4096


def test_the_package_has_what_it_names_and_depends_on_nothing():
    package = json.loads((PACKAGE / "package.json").read_text())
    named = {*package["files"], package["main"], package["types"], *package["exports"]["."].values()}
    assert all((PACKAGE / name).is_file() for name in named)
    assert {pathlib.PurePath(name).name for name in named} == set(package["files"])
    assert not {key for key in package if "ependencies" in key}
    assert "import" not in re.findall(r"^\w+", SOURCE, re.M)


def test_it_has_one_home_from_which_the_wheel_takes_it():
    home = ROOT / "src/channels_stack/channels_stack/groups/static/channels_stack/recoverable.js"
    assert (PACKAGE / "recoverable.js").resolve() == home
    for top in ("app", "src", "tests", "docs"):
        copies = [path for path in (ROOT / top).rglob("recoverable*.js") if ".artifacts" not in path.parts]
        assert {path.resolve() for path in copies} <= {home}
    # setuptools takes what is named; the images and `pip install` are made by it.
    project = (ROOT / "src/channels_stack/pyproject.toml").read_text()
    assert '"channels_stack.groups" = ["static/*/*"]' in project and home.match("groups/static/*/*")


def test_the_types_have_every_option_and_every_public_name():
    options = set(re.findall(r"#call\(\"(\w+)\"", SOURCE)) | {"positions"}
    options |= set(re.findall(r"(\w+): [\d<]", re.search(r"this\.#options = \{(.*)\}", SOURCE)[1]))
    declared = re.search(r"interface Options \{(.*?)\n\}", TYPES, re.S)[1]
    assert options == set(re.findall(r"^  (\w+)\??[(:?]", declared, re.M))
    members = set(re.findall(r"^  (?:get )?([a-z]\w+)(?:\(| = )", SOURCE, re.M))
    declared = re.search(r"class Client \{(.*?)\n\}", TYPES, re.S)[1]
    assert members == set(re.findall(r"^  (?:readonly )?(\w+)[(:]", declared, re.M))


def test_it_speaks_the_protocol():
    constants = dict(re.findall(r"^const (\w+) = ['\"](.*)['\"];", SOURCE, re.M))
    assert constants == {"PROTOCOL": protocol.PROTOCOL, "PING": protocol.PING}
    # As many groups as fit, at their longest, into a first frame.
    groups = int(re.search(r"GROUPS = (\d+);", SOURCE)[1])
    longest = {f"{number:099}": f"{'f' * 16}.{'9' * 15}.{'f' * 16}" for number in range(groups)}
    assert groups < protocol.HELLO_GROUPS
    assert len(protocol.positions(json.dumps({"positions": longest}))) == groups
