"""images/app/dependencies: what each tool's files ask for, as lines that pip takes."""

import json
import subprocess

import dependencies
import pytest
from dependencies.reading import Unreadable


@pytest.fixture
def project(tmp_path):
    """Writes files of a project, and reads one of them; its notices are kept."""

    class Project:
        folder = tmp_path
        notices: list[str] = []

        def write(self, **files: str) -> None:
            for name, text in files.items():
                path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)

        def read(self, name: str, group: str = "") -> list[str]:
            lines, self.notices = dependencies.read(tmp_path / name, group, tmp_path)
            return lines

    return Project()


# --- Requirements files -----------------------------------------------------------------------------


def test_includes_comments_and_long_lines(project):
    project.write(
        requirements__production_dot_txt="-r base.txt  # all of it\n--requirement=more/other.txt\n-c limits.txt\ngunicorn\n",
        requirements__base_dot_txt="# comment\nDjango==5.2 \\\n    --hash=sha256:00\n\nchannels[daphne]; python_version > '3'\n",
        requirements__more__other_dot_txt="x @ https://example.org/x.zip#egg=x\n",
    )
    assert project.read("requirements/production.txt") == [
        "Django==5.2 --hash=sha256:00",
        "channels[daphne]; python_version > '3'",
        "x @ https://example.org/x.zip#egg=x",
        f"-c {project.folder}/requirements/limits.txt",
        "gunicorn",
    ]


def test_files_that_include_each_other(project):
    project.write(a_dot_txt="-r b.txt\ndjango\n", b_dot_txt="-r a.txt\nchannels\n")
    assert project.read("a.txt") == ["channels", "django"]


def test_an_included_file_that_is_not_there(project):
    project.write(a_dot_txt="-r base.txt\n")
    with pytest.raises(Unreadable, match=r"base\.txt cannot be read"):
        project.read("a.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_packages_for_windows_only_are_left_out(project, encoding):
    text = "Twisted==22.10.0\ntwisted_iocpsupport==1.0.2\npywin32==306; sys_platform == 'win32'\n"
    (project.folder / "requirements.txt").write_bytes(text.encode(encoding))
    assert project.read("requirements.txt") == ["Twisted==22.10.0", "pywin32==306; sys_platform == 'win32'"]
    assert project.notices == ["left out, being for Windows only: twisted_iocpsupport==1.0.2"]


@pytest.mark.parametrize("line", ["-e .", ".", "-e ./", "--editable .", "-e .[cache]"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "pyproject_dot_toml",
            '[project]\ndependencies = ["django"]\noptional-dependencies = {cache = ["redis"]}\n',
        ),
        (
            "setup_dot_cfg",
            "[options]\ninstall_requires =\n  django\n[options.extras_require]\ncache = redis\n",
        ),
        (
            "setup_dot_py",
            "from setuptools import setup\nsetup(install_requires=['django'], extras_require={'cache': ['redis']})\n",
        ),
    ],
)
def test_the_project_itself_is_on_the_path_and_what_it_needs_is_installed(project, line, name, text):
    project.write(**{name: text}, requirements_dot_txt=f"{line}\nchannels\n")
    assert project.read("requirements.txt") == ["django", *(["redis"] if "cache" in line else []), "channels"]
    assert "APP_PATH" in project.notices[0]


def test_other_folders_wheels_and_repositories(project):
    project.write(
        libs__chat__pyproject_dot_toml='[project]\ndependencies = ["channels", "../other"]\n',
        libs__other__setup_dot_cfg="[options]\ninstall_requires = redis\n",
        requirements_dot_txt="./libs/chat\n./wheels/x-1.0-py3-none-any.whl\n-e git+https://example.org/x.git@v1#egg=x\n",
    )
    assert project.read("requirements.txt") == [
        "channels",
        "redis",
        "./wheels/x-1.0-py3-none-any.whl",
        "git+https://example.org/x.git@v1#egg=x",
    ]


def test_a_folder_that_is_no_project(project):
    project.write(libs__x__readme="", requirements_dot_txt="./libs/x\n")
    with pytest.raises(Unreadable, match=r"x has neither a pyproject\.toml"):
        project.read("requirements.txt")


def test_a_folder_above_the_project_is_in_no_image(project):
    project.write(requirements_dot_txt="Django\n-e ../tools\n")
    with pytest.raises(Unreadable, match="outside of APP_DIR"):
        project.read("requirements.txt")
    project.write(uv_dot_lock='[[package]]\nname = "tools"\nversion = "1"\nsource = { editable = "../" }\n')
    with pytest.raises(Unreadable, match=r"takes tools from \.\./, which is outside of APP_DIR"):
        project.read("uv.lock")


MEMBERS = {
    "pyproject_dot_toml": '[tool.uv.workspace]\nmembers = ["services/*", "libs/*"]\nexclude = ["libs/old"]\n'
    "[tool.uv.sources]\nshop-common = { workspace = true }\n",
    "services__web__pyproject_dot_toml": '[project]\nname = "web"\nversion = "1"\nrequires-python = ">=3.9"\n'
    'dependencies = ["django>=5", "shop_common[redis]>=1; python_version > \'3\'"]\n',
    "libs__common__pyproject_dot_toml": '[project]\nname = "shop-common"\nversion = "1"\ndependencies = ["environs"]\n'
    'optional-dependencies = {redis = ["redis"]}\n',
    "libs__old__pyproject_dot_toml": '[project]\nname = "shop-common"\ndependencies = ["six"]\n',
}


def test_a_member_of_a_workspace_asks_no_index_for_another_one(project):
    project.write(**MEMBERS)
    assert project.read("services/web/pyproject.toml") == ["django>=5", "environs", "redis"]
    (project.folder / "libs/common/pyproject.toml").unlink()
    with pytest.raises(Unreadable, match="takes shop_common from the workspace"):
        project.read("services/web/pyproject.toml")


def test_sources_of_uv_say_where_a_package_is(project):
    project.write(
        web__pyproject_dot_toml='[project]\nname = "web"\ndependencies = ["a[x]>=1; os_name == \'posix\'", "b", "c", "d"]\n'
        "[tool.uv.sources]\n"
        'a = { git = "https://example.org/a.git", tag = "v1", subdirectory = "sub" }\n'
        'b = { path = "../b", editable = true }\n'
        'c = [{ index = "ours" }, { url = "https://example.org/c.whl", marker = "os_name == \'posix\'" }]\n'
        'd = { index = "ours" }\n',
        b__pyproject_dot_toml='[project]\nname = "b"\ndependencies = ["redis"]\n',
    )
    assert project.read("web/pyproject.toml") == [
        "a[x] @ git+https://example.org/a.git@v1#subdirectory=sub ; os_name == 'posix'",
        "redis",
        "c @ https://example.org/c.whl",
        "d",
    ]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (
            '[{git = "https://x/a", marker = "sys_platform == \'win32\'"}, {url = "https://x/b.whl"}]',
            "a @ https://x/b.whl",
        ),
        ('[{git = "https://x/a", marker = "sys_platform == \'win32\'"}]', "a"),
        ('{git = "https://x/a", marker = "no marker"}', "a"),
        ('"odd"', "a"),
    ],
)
def test_a_source_for_another_platform_is_none_here(project, source, line):
    project.write(
        pyproject_dot_toml=f'[project]\nname = "web"\ndependencies = ["a"]\n[tool.uv.sources]\na = {source}\n'
    )
    assert project.read("pyproject.toml") == [line]


def test_a_source_that_no_image_holds_is_named(project):
    project.write(
        pyproject_dot_toml='[project]\nname = "web"\ndependencies = ["a"]\n[tool.uv.sources]\na = { path = "../lib" }\n'
    )
    with pytest.raises(Unreadable, match=r"takes a from \.\./lib, which is outside of APP_DIR"):
        project.read("pyproject.toml")


@pytest.mark.parametrize("pattern", ['"/x/*"', '"."', '""', "1"])
def test_members_of_a_form_that_uv_does_not_know_are_none(project, pattern):
    project.write(
        pyproject_dot_toml=f"[tool.uv.workspace]\nmembers = [{pattern}]\n",
        web__pyproject_dot_toml='[project]\nname = "web"\ndependencies = ["a"]\n',
    )
    assert project.read("web/pyproject.toml") == ["a"]


def test_a_member_is_installed_from_the_lock_of_its_workspace(project, monkeypatch):
    project.write(**MEMBERS, uv_dot_lock="")
    asked = []

    def run(command, **_):
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "django==5.2 --hash=sha256:00\n")

    monkeypatch.setattr(dependencies.locks.subprocess, "run", run)
    assert project.read("services/web/pyproject.toml") == ["django==5.2 --hash=sha256:00"]
    assert asked[0][asked[0].index("--package") + 1] == "web"
    assert asked[0][asked[0].index("--project") + 1] == str(project.folder)


def test_folders_that_need_each_other(project):
    project.write(
        requirements_dot_txt="-e ./a\n",
        a__pyproject_dot_toml='[project]\nname = "a"\ndependencies = ["../b"]\n',
        b__pyproject_dot_toml='[project]\nname = "b"\ndependencies = ["django"]\n',
    )
    assert project.read("requirements.txt") == ["django"]


@pytest.mark.parametrize(
    "place",
    [
        "croot/certifi_1665076682579/work",
        "C:/b/abs_ac29jvt43w/croot/certifi_1665076682579/work/certifi",
        "C:/ci/certifi_1665076682579/work",
        "home/conda/feedstock_root/build_artifacts/certifi_1665076682579/work",
        "home/conda/feedstock_root/build_artifacts/certifi_1665076682579/work/certifi-1-py3-none-any.whl#sha256=00",
        "opt/conda/conda-bld/ca-certifi.cates_1665076682579/work",
    ],
)
@pytest.mark.parametrize("rest", ["", " ; sys_platform == 'win32'"])
def test_a_package_that_conda_built_is_taken_without_its_version(project, place, rest):
    """`pip freeze` writes where it was built; the name is that of the index."""
    project.write(requirements_dot_txt=f"django\ncertifi[x] @ file:///{place}{rest}\n")
    assert project.read("requirements.txt") == ["django", f"certifi[x]{rest}"]
    (notice,) = project.notices
    assert "certifi" in notice and "certifi==VERSION" in notice


@pytest.mark.parametrize(
    "place",
    [
        "C:/Users/me/ourtools",
        "home/me/work",
        "builds/acme/private-lib_1/work",
        "builds/acme/private-lib_20260131/work",
        "home/me/conda-bld/ourtools",
        "home/me/ourtools_1665076682579/workspace",
        "home/me/ourtools#/ourtools_1665076682579/work",
    ],
)
def test_a_file_of_another_machine(project, place):
    """Whoever has that name on the index may be a stranger."""
    project.write(requirements_dot_txt=f"ourtools @ file:///{place}\n")
    with pytest.raises(Unreadable, match="write ourtools==VERSION"):
        project.read("requirements.txt")


def test_what_exists_for_windows_only_is_left_out_wherever_it_came_from(project):
    project.write(requirements_dot_txt="django\nwin-inet-pton @ file:///C:/ci/x/work\nwincertstore==0.2\n")
    assert project.read("requirements.txt") == ["django"]


@pytest.mark.parametrize("name", ["environment.yml", "other.lock", "Pipfile"])
def test_what_is_not_understood_says_the_way_out(project, name):
    project.write(**{name.replace(".", "_dot_"): ""})
    with pytest.raises(Unreadable, match=r"requirements file"):
        project.read(name)


# --- Locks -------------------------------------------------------------------------------------------

POETRY = """
[tool.poetry.dependencies]
python = "^3.11"
Django = "^5.2"
channels = {version = "~4.2", extras = ["daphne"]}
hiredis = {version = "*", optional = true}
[tool.poetry.extras]
fast = ["hiredis"]
[tool.poetry.group.dev.dependencies]
pytest = "*"
"""


WIN32 = "sys_platform == 'win32'"


def package(name: str, more: str = "") -> str:
    return f'[[package]]\nname = "{name}"\nversion = "1.0"\nfiles = [{{file = "{name}.whl", hash = "sha256:{name}"}}]\n{more}\n'


@pytest.mark.parametrize(
    ("group", "more"), [("", []), ("fast", ["hiredis"]), ("dev", ["pytest", "iniconfig"])]
)
@pytest.mark.parametrize("name", ["poetry.lock", "pyproject.toml"])
def test_an_older_lock_of_poetry(project, group, more, name):
    parts = [
        package(
            "Django",
            '[package.dependencies]\nasgiref = ">=3"\ntzdata = {version = "*", markers = "sys_platform == \'win32\'"}',
        ),
        package(
            "channels", '[package.dependencies]\nDjango = ">=4"\ndaphne = {version = "*", optional = true}'
        ),
        *map(package, ("asgiref", "tzdata", "daphne", "hiredis", "iniconfig")),
        package("pytest", '[package.dependencies]\niniconfig = "*"'),
    ]
    project.write(pyproject_dot_toml=POETRY, poetry_dot_lock="".join(parts))
    pins = {line.split("==")[0]: line for line in project.read(name, group)}
    assert set(pins) == {"Django", "channels", "asgiref", "tzdata", "daphne", *more}
    assert pins["tzdata"] == "tzdata==1.0 ; sys_platform == 'win32' --hash=sha256:tzdata"
    assert pins["asgiref"] == "asgiref==1.0 --hash=sha256:asgiref"


@pytest.mark.parametrize(("group", "more"), [("", []), ("dev", ["pytest"])])
def test_a_lock_of_poetry_2(project, group, more):
    parts = [
        package("django", 'groups = ["main", "dev"]\nmarkers = {main = "python_version > \'3\'"}'),
        package("pytest", 'groups = ["dev"]'),
        package("hiredis", 'optional = true\ngroups = ["main"]') if not group else "",
    ]
    project.write(pyproject_dot_toml=POETRY, poetry_dot_lock="".join(parts))
    assert [line.split("==")[0] for line in project.read("poetry.lock", group)] == ["django", *more]


def test_a_lock_with_a_repository_has_no_hashes(project):
    git = '[package.source]\ntype = "git"\nurl = "https://example.org/x.git"\nresolved_reference = "abc"\n'
    parts = [
        package("django", 'groups = ["main"]'),
        '[[package]]\nname = "x"\nversion = "1"\nfiles = []\ngroups = ["main"]\n' + git,
    ]
    project.write(pyproject_dot_toml=POETRY, poetry_dot_lock="".join(parts))
    assert project.read("poetry.lock") == ["django==1.0", "x @ git+https://example.org/x.git@abc"]
    assert project.notices == ["installed without the hashes of poetry.lock, because it has none for x"]


@pytest.mark.parametrize(("group", "more"), [("", []), ("test", ["pytest==1.0 --hash=sha256:pytest"])])
def test_a_lock_of_pdm(project, group, more):
    parts = [
        package("django", 'groups = ["default"]\nmarker = "python_version > \'3\'"'),
        package("pytest", 'groups = ["test"]'),
    ]
    project.write(pdm_dot_lock="".join(parts))
    assert project.read("pdm.lock", group) == [
        "django==1.0 ; python_version > '3' --hash=sha256:django",
        *more,
    ]


@pytest.mark.parametrize("name", ["Pipfile.lock", "Pipfile"])
def test_a_lock_of_pipenv(project, name):
    default = {"django": {"version": "==5.2", "hashes": ["sha256:00"], "markers": "python_version > '3'"}}
    lock = {
        "_meta": {},
        "default": default,
        "develop": {"pytest": {"version": "==9", "hashes": ["sha256:01"]}},
    }
    project.write(Pipfile="", Pipfile_dot_lock=json.dumps(lock))
    assert project.read(name) == ["django==5.2 ; python_version > '3' --hash=sha256:00"]
    assert project.read(name, "develop")[1] == "pytest==9 --hash=sha256:01"


# --- What projects declare ---------------------------------------------------------------------------

DECLARED = """
[project]
dependencies = ["django"]
optional-dependencies = {production = ["redis"]}
[dependency-groups]
server = ["daphne", {include-group = "cache"}]
cache = ["hiredis"]
"""


@pytest.mark.parametrize(
    ("group", "wanted"),
    [("", ["django"]), ("production", ["django", "redis"]), ("server", ["django", "daphne", "hiredis"])],
)
def test_a_project_and_its_groups(project, group, wanted):
    project.write(pyproject_dot_toml=DECLARED)
    assert project.read("pyproject.toml", group) == wanted


def test_an_unknown_group_names_those_there_are(project):
    project.write(pyproject_dot_toml=DECLARED)
    with pytest.raises(Unreadable, match="cache, production, server"):
        project.read("pyproject.toml", "prod")


def test_a_project_that_says_nothing_is_refused_with_the_way_out(project):
    project.write(pyproject_dot_toml="[tool.ruff]\n")
    with pytest.raises(Unreadable, match="export the lock"):
        project.read("pyproject.toml")


@pytest.mark.parametrize(
    ("versions", "wanted"),
    [
        ("^5.2", "django>=5.2,<6"),
        ("^0.4.1", "django>=0.4.1,<0.5"),
        ("~5.2", "django>=5.2,<5.3"),
        ("~5", "django>=5,<6"),
        ("*", "django"),
        ("5.2", "django==5.2"),
        ("5.2.*", "django==5.2.*"),
        (">=4.2,<6", "django>=4.2,<6"),
        ("~=5.2", "django~=5.2"),
    ],
)
def test_versions_of_poetry_without_a_lock(project, versions, wanted):
    project.write(pyproject_dot_toml=f'[tool.poetry.dependencies]\npython = "*"\ndjango = "{versions}"\n')
    assert project.read("pyproject.toml") == [wanted]


def test_dynamic_dependencies_are_those_of_setuptools(project):
    project.write(
        pyproject_dot_toml='[project]\nname = "x"\ndynamic = ["dependencies"]\n',
        setup_dot_cfg="[options]\ninstall_requires =\n  django\n  channels\n",
    )
    assert project.read("pyproject.toml") == ["django", "channels"]


def test_a_setup_that_does_not_run_by_itself(project):
    project.write(setup_dot_py="import mysite\n")
    with pytest.raises(Unreadable, match="No module named 'mysite'"):
        project.read("setup.py")
