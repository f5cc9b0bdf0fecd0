"""images/app/dependencies/itself.py: metadata of the application's own projects, as an installation would write it."""

import subprocess
import sys
from importlib.metadata import distributions

import install
import pytest
from dependencies import itself


@pytest.fixture
def venv(tmp_path, monkeypatch):
    """An empty environment, without an index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    return install.Venv(str(tmp_path / "venv"))


@pytest.fixture
def project(tmp_path):
    """Write files of a project; its folder."""

    def project(files):
        folder = tmp_path / "project"
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return folder

    return project


def metadata_of(folder, *roots):
    roots = [folder / root for root in roots or ("",)]
    return {each.name: each.version for each in itself.projects(folder, roots, [])}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"pyproject.toml": '[project]\nname = "my-site"\nversion = "0.3.0"\n'}, {"my-site": "0.3.0"}),
        ({"pyproject.toml": '[tool.poetry]\nname = "site"\nversion = "1.2"\n'}, {"site": "1.2"}),
        ({"setup.cfg": "[metadata]\nname = site\nversion = 2.0\n"}, {"site": "2.0"}),
        ({"setup.py": "from setuptools import setup\nsetup(name='site', version='3.1')\n"}, {"site": "3.1"}),
        # The version of these is in a module or a repository, which this step of the build does not have.
        (
            {"pyproject.toml": '[project]\nname = "site"\ndynamic = ["version"]\n'},
            {"site": "0+unknown"},
        ),
        (
            {"setup.cfg": "[metadata]\nname = site\nversion = attr: site.__version__\n"},
            {"site": "0+unknown"},
        ),
        (
            {"setup.py": "import setuptools\nsetuptools.setup(name='site', version=find())\n"},
            {"site": "0+unknown"},
        ),
        # One of several files of a project is enough.
        (
            {
                "pyproject.toml": '[project]\nname = "site"\nversion = "1"\n',
                "setup.py": "from setuptools import setup\nsetup(name='Site', version='0.1')\n",
            },
            {"site": "1"},
        ),
        # pip refuses an environment with a version that is none.
        ({"pyproject.toml": '[project]\nname = "site"\nversion = "2024-spring"\n'}, {"site": "0+unknown"}),
        ({"setup.cfg": "[metadata]\nname = site\nversion = 1.0-beta\n"}, {"site": "1.0b0"}),
        # Settings of tools alone, and files that nothing can be read from.
        ({"pyproject.toml": "[tool.ruff]\nline-length = 100\n"}, {}),
        ({"pyproject.toml": "[project\n", "setup.py": "print 'setup'\n", "setup.cfg": "name\n"}, {}),
        ({"pyproject.toml": '[project]\nname = "../x"\nversion = "1"\n'}, {}),
    ],
)
def test_what_the_files_of_a_project_say(project, files, expected):
    assert metadata_of(project(files)) == expected


@pytest.mark.parametrize(
    ("roots", "expected"),
    [
        ((".",), {"site": "1"}),
        (("src",), {"site": "1"}),
        ((".", "packages/shared"), {"site": "1", "shared": "2"}),
        (("packages/shared/src",), {"shared": "2", "site": "1"}),
        # The nearest of one name counts.
        (("legacy",), {"Site": "0.1"}),
    ],
)
def test_only_projects_on_the_path_are_installed(project, roots, expected):
    files = {
        "pyproject.toml": '[project]\nname = "site"\nversion = "1"\n',
        "packages/shared/pyproject.toml": '[project]\nname = "shared"\nversion = "2"\n',
        "legacy/setup.py": "from setuptools import setup\nsetup(name='Site', version='0.1')\n",
        "mysite/templates/plugin/setup.cfg": "[metadata]\nname = plugin\nversion = 9\n",
    }
    assert metadata_of(project(files), *roots) == expected


def test_the_environment_knows_the_project_and_its_entry_points(venv, project):
    folder = project(
        {
            "pyproject.toml": '[project]\nname = "my-site"\nversion = "0.3.0"\n'
            '[project.scripts]\nsite = "site.__main__:main"\n[project.entry-points."site.plugins"]\nred = "site.red"\n'
        }
    )
    install.register(venv, folder, [folder])
    assert venv.packages() == {"my-site": "0.3.0"} and not venv.conflicts()
    (one,) = distributions(path=[str(venv.site_packages)])
    assert {(each.group, each.name, each.value) for each in one.entry_points} == {
        ("console_scripts", "site", "site.__main__:main"),
        ("site.plugins", "red", "site.red"),
    }


def test_a_package_that_is_installed_stays_what_it_is(venv, project):
    installed = venv.site_packages / "site-9.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: site\nVersion: 9\n")
    folder = project({"pyproject.toml": '[project]\nname = "Site"\nversion = "1"\n'})
    install.register(venv, folder, [folder])
    assert venv.packages() == {"site": "9"}


def test_an_entry_point_that_no_line_can_hold_is_left_out(venv, project):
    folder = project(
        {
            "pyproject.toml": '[tool.poetry]\nname = "site"\n[tool.poetry.scripts]\nsite = "site.main:run"\n'
            'file = {reference = "bin/x.sh", type = "file"}\n"a\\nb" = "site.main:run"\n"[x]" = "site.main:run"\n'
            'lines = "site\\n[other]"\npercent = "%(x)s"\n[tool.poetry.plugins]\nfoo = "x"\n'
            '[tool.poetry.plugins."a\\nb"]\nx = "site.main:run"\n'
        }
    )
    install.register(venv, folder, [folder])
    (one,) = distributions(path=[str(venv.site_packages)])
    assert [(each.group, each.name, each.value) for each in one.entry_points] == [
        ("console_scripts", "site", "site.main:run")
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("setup.cfg", "[metadata]\nname = café\n".encode("latin-1")),
        ("pyproject.toml", 'project = "x"\n'),
        ("pyproject.toml", "tool = 1\n"),
        ("pyproject.toml", '[tool]\npoetry = "x"\n'),
        ("pyproject.toml", '[project]\nname = "other"\nscripts = ["x"]\n'),
        ("pyproject.toml", '[project]\nname = "other"\nentry-points = ["x"]\n'),
        (
            "setup.py",
            "from setuptools import setup\nx = " + "(" * 5000 + ")" * 5000 + "\nsetup(name='other')\n",
        ),
        ("setup.py", "x" + ".y" * 50_000 + "()\n"),
        ("setup.cfg", f"[metadata]\nname = {'o' * 300}\n"),
        ("setup.cfg", f"[metadata]\nname = other\nversion = 1.{'1' * 300}\n"),
    ],
)
def test_a_file_that_is_of_no_use_ends_no_build(venv, project, capsys, name, text):
    """One line says which; what the other files state is there."""
    folder = project({name: text, "shared/setup.cfg": "[metadata]\nname = shared\nversion = 2\n"})
    install.register(venv, folder, [folder, folder / "shared"])
    assert venv.packages() == {"shared": "2"} and not venv.conflicts()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"install.py: {name}: ") and len(line) < 400
