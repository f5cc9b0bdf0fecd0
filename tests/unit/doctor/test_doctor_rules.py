"""Each rule with a project that breaks it and one that comes close and does not."""

from __future__ import annotations

import pytest
from cases import CASES
from specimens import write

from channels_stack.doctor.examine import examine
from channels_stack.doctor.findings import CODE, PREFIX, SETTINGS, rules
from channels_stack.doctor.project import Project

# Where something else is wrong as well, because the one brings the other.
COMPANY = {
    ("E701", 0): {"E701", "W208"},  # old Channels brought Daphne along
    ("E502", 1): {"E502", "W510"},
    ("W708", 0): {"W708", "E703"},  # what has no fixes lacks those of the newest holes
}


def found(folder) -> list[str]:
    """The rules that find something in the project at ``folder``."""
    return [finding.id[len(PREFIX) :] for finding in report(folder).findings]


def report(folder):
    """What the doctor says of the project at ``folder``."""
    result = examine(Project(str(folder)))
    assert result.failures == []
    return result


def test_the_sound_project(tmp_path):
    assert report(write(tmp_path)).findings == []


NUMBERED = [
    pytest.param(id_, broken, close, [one for one, *_ in CASES[:place]].count(id_), id=f"{id_}-{place}")
    for place, (id_, broken, close) in enumerate(CASES)
]


@pytest.mark.parametrize(("id_", "broken", "close", "nth"), NUMBERED)
def test_broken(tmp_path, id_, broken, close, nth):
    assert set(found(write(tmp_path, broken))) == COMPANY.get((id_, nth), {id_})


@pytest.mark.parametrize(("id_", "broken", "close", "nth"), [case for case in NUMBERED if case.values[2]])
def test_close(tmp_path, id_, broken, close, nth):
    assert found(write(tmp_path, close)) == []


def test_every_rule_has_a_case():
    assert {id_ for id_, *_ in CASES} == {rule.id[len(PREFIX) :] for rule in rules(SETTINGS, CODE)}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_every_rule_is_documented(rule):
    assert rule.title and rule.production and rule.instead
    assert "\n" not in rule.title and not rule.title.endswith(".")
