"""images/app/install.py: what each kind of dependency file asks for, and which versions it warns of."""

import importlib.util

import pytest


@pytest.fixture
def install(root):
    spec = importlib.util.spec_from_file_location("install", root / "images/app/install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROJECT = {
    "project": {"dependencies": ["django"], "optional-dependencies": {"production": ["redis"]}},
    "dependency-groups": {"server": ["daphne", {"include-group": "cache"}], "cache": ["hiredis"]},
}


@pytest.mark.parametrize(
    ("group", "wanted"),
    [("", ["django"]), ("production", ["django", "redis"]), ("server", ["django", "daphne", "hiredis"])],
)
def test_a_project_and_its_groups(install, group, wanted):
    assert install.declared(PROJECT, group) == wanted


def test_an_unknown_group_names_those_there_are(install):
    with pytest.raises(SystemExit, match="cache, production, server"):
        install.declared(PROJECT, "prod")


def test_a_project_of_another_tool_is_refused_with_the_way_out(install):
    with pytest.raises(SystemExit, match="export the lock"):
        install.declared({"tool": {"poetry": {"dependencies": {"django": "*"}}}}, "")


@pytest.mark.parametrize(
    "name", ["poetry.lock", "Pipfile", "setup.py", "environment.yml", "requirements.txt[dev]"]
)
def test_what_is_not_understood_is_refused(install, name, tmp_path):
    with pytest.raises(SystemExit, match=r"install\.py: "):
        install.requirements(str(tmp_path / name), tmp_path)


def test_a_pyproject_becomes_a_requirements_file(install, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["django>=5", "channels"]\n')
    made = install.requirements(str(tmp_path / "pyproject.toml"), tmp_path)
    assert made.read_text().split() == ["django>=5", "channels"]


@pytest.mark.parametrize(
    ("package", "version", "told"),
    [
        ("daphne", "4.2.1", True),
        ("daphne", "4.2.2", False),
        ("autobahn", "25.9.1", True),
        ("autobahn", "25.10.1", False),
        ("django", "5.2.3", True),
        ("django", "6.0", False),
    ],
)
def test_a_version_below_the_floor_is_told_with_the_way_out(install, package, version, told):
    said = install.notices({package: version}, "/src/project/requirements.txt")
    assert len(said) == told
    assert all(line.startswith(f"{package} {version} ") and "requirements.txt" in line for line in said)


@pytest.mark.parametrize(
    ("text", "numbers"), [("4.3.2", (4, 3, 2)), ("5.0rc1", (5, 0)), ("1.2.post1", (1, 2))]
)
def test_the_numbers_of_a_version(install, text, numbers):
    assert install.version(text) == numbers


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("ERROR: Failed building wheel for cffi\nFailed to build cffi", "no wheel of cffi for Python 3"),
        ("Collecting psycopg2==2.9\nerror: metadata-generation-failed", "no wheel of psycopg2==2.9 for"),
        ("ERROR: No matching distribution found for djangoo==5", "there is no djangoo==5 for Python 3"),
        ("ERROR: ResolutionImpossible: for help", "contradict each other"),
        ("ERROR: Invalid requirement: 'a==': Expected", "APP_REQUIREMENTS: Invalid requirement: 'a=='"),
        ("Killed", "pip could not install"),
    ],
)
def test_what_pip_says_becomes_one_line(install, output, words):
    said = install.why(output)
    assert words in said and "\n" not in said


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_packages_for_windows_only_are_left_out(install, tmp_path, encoding, capsys):
    file = tmp_path / "requirements.txt"
    text = (
        "-r base.txt\nTwisted==22.10.0\ntwisted_iocpsupport==1.0.2\npywin32==306; sys_platform == 'win32'\n"
    )
    file.write_bytes(text.encode(encoding))
    (tmp_path / "made").mkdir()
    made = install.requirements(str(file), tmp_path / "made")
    kept = [f"-r {tmp_path}/base.txt", "Twisted==22.10.0", "pywin32==306; sys_platform == 'win32'"]
    assert made.read_text().splitlines() == kept
    told = "left out, being for Windows only: twisted_iocpsupport==1.0.2"
    assert told in capsys.readouterr().out
    assert told in install.TOLD, (
        "a build from the cache prints nothing: the release tells it from notices.txt"
    )


def test_other_files_are_taken_as_they_are(install, tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("django\n")
    assert install.requirements(str(file), tmp_path) == file
