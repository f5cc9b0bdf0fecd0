"""Which tests `make smoke` and `make browser` run for ENV and TARGET, and what is refused."""

import pytest

from channels_stack_deploy.checks import suites
from channels_stack_deploy.config import inventories
from channels_stack_deploy.console import Failure
from channels_stack_deploy.paths import Deployment


@pytest.fixture
def known(checkout, monkeypatch):
    """A checkout with a stack in compose/, one called staging, and servers called staging and production."""
    monkeypatch.setattr(inventories, "INVENTORIES", checkout / "ansible/inventory")
    monkeypatch.setattr(suites, "ROOT", checkout)
    monkeypatch.setattr(suites, "COMPOSE", checkout / "compose")
    for module in (suites, inventories):
        monkeypatch.setattr(module, "ENVIRONMENTS", checkout / "compose/environments")
    for name in ("staging", "production"):
        (checkout / "ansible/inventory" / name).mkdir(parents=True)
    for folder in (checkout / "compose", checkout / "compose/environments/staging"):
        folder.mkdir(parents=True, exist_ok=True)
        made = Deployment(folder)
        made.settings.write_text(
            "APP_DIR=../app\nAPP_RELEASE_COMMANDS=demo --username admin --password-file x\n"
        )
        made.generated.write_text("COMPOSE_PROJECT_NAME=rooms\n")
    return checkout


def test_the_reference_application_gets_its_own_tests_as_well(known):
    tests = suites.of("staging", "")
    assert tests[:2] == ["tests/running", "tests/smoke"]
    assert f"--deployment={known}/compose/environments/staging" in tests
    assert "--target=https://localhost/" in tests


def test_another_application_gets_those_that_fit_any(known):
    with (known / "compose/stack.env").open("a") as file:
        file.write("APP_DIR=../../helpdesk\n")
    tests = suites.of("", "")
    assert tests[0] == "tests/running" and all(each.startswith("--") for each in tests[1:])


@pytest.mark.parametrize("name", ["production", "./production", "../inventory/production"])
def test_an_inventory(known, name):
    assert suites.of(name, "") == [
        "tests/running",
        "--verbose",
        f"--inventory={known}/ansible/inventory/production",
    ]


def test_of_two_with_one_name_that_of_this_machine_and_a_line(known, capsys):
    assert f"--deployment={known}/compose/environments/staging" in suites.of("staging", "")
    assert "ENV=./staging" in capsys.readouterr().err
    assert suites.of("./staging", "")[-1] == f"--inventory={known}/ansible/inventory/staging"


@pytest.mark.parametrize(
    ("address", "options", "first"),
    [
        ("https://localhost", "", "tests/running"),
        ("https://elsewhere.example", "", "tests/running"),
        ("https://elsewhere.example", "--password-file x", "tests/smoke"),
        ("https://localhost", "--password-file x", "tests/smoke"),
    ],
)
def test_an_address(known, address, options, first):
    tests = suites.of("", "", address, options)
    assert tests[0] == first
    assert any(each.startswith("--deployment") for each in tests) is (
        address == "https://localhost" and not options
    )


def test_chosen_tests_are_not_added_to(known):
    assert all(each.startswith("--") for each in suites.of("staging", "tests/browser"))
    assert suites.of("", "tests/running", "https://elsewhere.example") == []


@pytest.mark.parametrize(
    ("name", "chosen", "words"),
    [
        (
            "productio",
            "",
            "(there: staging), and no servers in ansible/inventory (there: production, staging)",
        ),
        ("production", "tests/browser", "T=tests/browser: tests/running looks at servers"),
    ],
)
def test_what_is_refused(known, name, chosen, words):
    with pytest.raises(Failure) as failure:
        suites.of(name, chosen)
    assert words in str(failure.value)
