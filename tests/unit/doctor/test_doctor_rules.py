"""Each rule with a project that breaks it and one that comes close and does not."""

from __future__ import annotations

import time

import pytest
from cases import CASES
from specimens import CONSUMERS, write

from channels_stack.doctor.examine import examine
from channels_stack.doctor.findings import CODE, PREFIX, REGISTRY, SETTINGS, rules
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


def test_a_long_module_is_read_in_time_that_grows_with_its_length(tmp_path):
    """The doctor runs at each release: a module as a generator writes it must not hold it up."""
    names = [
        f"TABLE_{number} = [{number}]\n\n\ndef f{number}(a):\n    return [a]\n" for number in range(2000)
    ]
    members = [f"    member_{number} = []\n" for number in range(2000)]
    write(
        tmp_path,
        {
            CONSUMERS: [
                ("from channels.consumer", f"{''.join(names)}\n\nfrom channels.consumer"),
                ("        await self.send_json(event)\n", f"        pass\n\n{''.join(members)}"),
            ]
        },
    )
    project = Project(str(tmp_path))
    began = time.process_time()
    assert list(REGISTRY[f"{PREFIX}W611"].findings(project)) == []
    assert time.process_time() - began < 3
