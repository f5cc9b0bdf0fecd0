"""The public workflows call what the Makefile has, and nothing that can change under its name."""

import re

import pytest


@pytest.fixture(params=["ci.yml", "nightly.yml", "release.yml"])
def workflow(request, root):
    return (root / ".github/workflows" / request.param).read_text()


def test_each_verb_that_they_call_exists(workflow, root):
    verbs = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.M))
    called = set(re.findall(r"\bmake ([a-z-]+)", workflow))
    for matrix in re.findall(r"^ +verb: \[(.+)\]$", workflow, re.M):
        called |= set(matrix.split(", "))
    assert called and called - verbs == set()


def test_what_ci_runs_they_run_too(root):
    """The verbs of .ci/run with each push, those that it leaves out each night."""
    script = (root / ".ci/run").read_text()
    words = {name: (root / f".github/workflows/{name}.yml").read_text() for name in ("ci", "nightly")}
    for line in re.findall(r"^make (.+)$", script, re.M):
        whole = line.replace("test", "unit image smoke browser").split()  # `make test`, by its parts
        wanted = [f"make {line}"] if "T=" in line else whole
        assert [
            each for each in wanted if not re.search(rf"[\[ ]{re.escape(each)}[\],\n]", words["ci"])
        ] == []
    nightly = re.search(r"^# .*`make (.+)`, each night", script, re.M)[1].split()
    assert re.search(r"^ +verb: \[(.+)\]$", words["nightly"], re.M)[1].split(", ") == nightly


def test_actions_are_named_by_commit_and_may_only_read(workflow):
    uses = re.findall(r"uses: (.+)$", workflow, re.M)
    assert uses and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in uses)
    assert "permissions:\n  contents: read\n\n" in workflow
    assert workflow.count("timeout-minutes:") == workflow.count("runs-on:")
