"""images/app/imports.py: what was asked for cannot be imported with what was left open; a real pip and an index of its own."""

import http.server
import json
import subprocess
import sys
import threading
import time
import zipfile

import imports
import install
import pytest

PACKAGES = {
    ("django", "6.0"): ("2025-12-01", "", ()),
    ("graph", "3.1.0"): ("2023-01-01", "", ()),
    ("graph", "3.2.6"): ("2025-01-01", "old = older = 1", ()),
    ("graph", "3.3.0rc1"): ("2025-02-01", "old = older = 1", ()),
    ("graph", "4.0.0"): ("2026-06-01", "new = 1", ()),
    ("adapter", "0.2"): ("2025-02-01", "", ()),
    # Nothing that is imported shows that this one does not fit either.
    ("adapter", "0.9"): ("2026-05-01", "", ()),
    ("server", "1.0"): ("2024-01-01", "", ()),
    ("server", "2.0"): ("2026-05-01", "", ()),
    ("berry", "1.0"): (
        "2025-03-01",
        "from graph import old",
        ("graph>=3.1", "adapter", "django", "server; extra == 'serve'"),
    ),
    ("berry", "2.0"): ("2026-07-01", "from graph import new", ("graph>=4", "adapter")),
    ("strict", "1.0"): ("2025-03-01", "from graph import old", ("graph>=3.3",)),
    ("bloom", "1.0"): ("2025-03-02", "import graph\nprint('bloom')\ngraph.older", ("graph",)),
    ("zone", "1.0"): ("2025-03-02", "from graph import old", ("graph",)),
    ("modern", "1.0"): ("2026-07-01", "from graph import new", ("graph",)),
    ("settled", "1.0"): ("2025-03-01", "raise RuntimeError('settings are not configured')", ("graph",)),
    ("partial", "1.0"): ("2025-03-01", "import something_optional", ("graph",)),
    ("leaver", "1.0"): ("2025-03-01", "raise SystemExit(3)", ("graph",)),
    # What these do when they are imported is no reason to judge others less.
    ("all-ends", "1.0"): ("2025-03-01", "import os\nos._exit(0)", ()),
    ("all-threads", "1.0"): (
        "2025-03-01",
        "import threading\nthreading.Thread(target=threading.Event().wait).start()",
        (),
    ),
    ("all-writes", "1.0"): ("2025-03-01", "import os\nos.write(1, b'hello')", ()),
    ("waits", "1.0"): ("2025-03-01", "import threading\nthreading.Event().wait()", ()),
    # Where an older one does not work either, what only that one needs goes, and the newer one comes back.
    ("brings", "1.0"): ("2023-01-01", "", ("brought",)),
    ("brings", "2.0"): ("2026-06-01", "", ()),
    ("brought", "1.0"): ("2023-01-01", "", ()),
    ("leans", "1.0"): ("2025-03-01", "from brings import old", ("brings",)),
    ("withdrawn", "1.0"): ("2023-01-01", "", ()),
    ("withdrawn", "2.0"): ("2026-06-01", "", ()),
    ("relies", "1.0"): ("2025-03-01", "from withdrawn import old", ("withdrawn",)),
}
"""(package, version) -> (day of its upload, source of its one module, what it requires)."""


def wheel(folder, name, version, source, requires):
    """Put a package into FOLDER; the name of the file."""
    name = name.replace("-", "_")
    module, info = f"{name}.py", f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(module, source)
        file.writestr(f"{info}/METADATA", metadata)
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"{module},,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return f"{name}-{version}-py3-none-any.whl"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """The address of an index of these packages, which says when each was uploaded (PEP 700)."""
    folder = tmp_path_factory.mktemp("index")
    pages, served = {}, set()
    for (name, version), (day, source, requires) in PACKAGES.items():
        file = wheel(folder, name, version, source, requires)
        described = {
            "filename": file,
            "url": f"/{file}",
            "hashes": {},
            "upload-time": f"{day}T12:00:00.000000Z",
        }
        pages.setdefault(name, []).append(described)

    class Index(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=folder)

        def do_GET(self):
            if not self.path.startswith("/simple/"):
                if self.path in served and "withdrawn-2" in self.path:
                    return self.send_error(404)
                served.add(self.path)
                return super().do_GET()
            name = self.path.split("/")[2]
            body = json.dumps(
                {"meta": {"api-version": "1.1"}, "name": name, "files": pages.get(name, [])}
            ).encode()
            self.send_response(200 if name in pages else 404)
            self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            """Nothing: pip's own words are enough."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple/"
        server.shutdown()


@pytest.fixture
def venv(tmp_path, monkeypatch, index):
    """An empty environment."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_INDEX_URL", index)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    monkeypatch.setattr(install, "REPORTED", [])
    return install.Venv(str(tmp_path / "venv"))


def installed(venv, folder, requirements):
    (folder / "requirements.txt").write_text("\n".join(["django", *requirements]))
    return install.install_application(venv, folder, "requirements.txt", "")


def test_all_that_a_broken_package_needs_is_taken_as_of_the_day_that_it_was_made(venv, tmp_path):
    present = installed(venv, tmp_path, ["django==6.0", "berry==1.0", "server"])
    assert (present["graph"], present["adapter"]) == ("3.2.6", "0.2")
    # Neither what is pinned nor what it only can use is any older for that.
    assert (present["django"], present["server"]) == ("6.0", "2.0")
    (line,) = install.REPORTED
    assert line.startswith(
        "adapter 0.2, graph 3.2.6: taken as of 2025-03-02, because berry 1.0 cannot be imported"
    )
    assert "with graph 4.0.0 (ImportError: cannot import name 'old'" in line


def test_a_name_that_a_module_lacks_is_one_too(venv, tmp_path):
    assert installed(venv, tmp_path, ["bloom"])["graph"] == "3.2.6"


@pytest.mark.parametrize(
    "requirements", [["strict"], ["berry==1.0", "graph==4.0.0"], ["berry==1.0", "modern"]]
)
def test_where_nothing_fits_pip_has_the_last_word_and_the_line_says_what_to_do(venv, tmp_path, requirements):
    present = installed(venv, tmp_path, requirements)
    assert present["graph"] == "4.0.0" and present.get("adapter") in (None, "0.9")
    (line,) = install.REPORTED
    assert "name a version of graph that works in APP_REQUIREMENTS or APP_CONSTRAINTS" in line


def test_where_nothing_fits_all_packages_are_those_of_before(venv, tmp_path):
    assert installed(venv, tmp_path, ["leans"]) == {"django": "6.0", "leans": "1.0", "brings": "2.0"}


def test_where_pip_cannot_go_back_the_build_ends(venv, tmp_path):
    with pytest.raises(SystemExit, match=r"could not go back to withdrawn==2\.0"):
        installed(venv, tmp_path, ["relies"])


def test_what_imports_and_what_fails_for_other_reasons_stays_as_it_is(venv, tmp_path):
    present = installed(venv, tmp_path, ["modern", "berry", "settled", "partial", "leaver"])
    assert (present["graph"], present["berry"]) == ("4.0.0", "2.0") and not install.REPORTED


def broken_of(venv, folder, requirements):
    assert install.install_lines(venv, requirements, folder=folder).returncode == 0
    return {each.package for each in install.find_broken(venv, set(requirements))[0]}


@pytest.mark.parametrize("rude", ["all-ends", "all-threads", "all-writes"])
def test_a_package_that_disturbs_the_process_hides_no_other(venv, tmp_path, rude):
    began = time.monotonic()
    assert broken_of(venv, tmp_path, [rude, "bloom"]) == {"bloom"}
    assert time.monotonic() - began < imports.MOST_SECONDS


def test_what_was_found_before_the_time_is_up_counts(venv, tmp_path, monkeypatch):
    monkeypatch.setattr(imports, "MOST_SECONDS", 10)
    assert broken_of(venv, tmp_path, ["bloom", "waits"]) == {"bloom"}


def test_an_import_that_hangs_is_ended_and_named_and_hides_no_other(venv, tmp_path, monkeypatch):
    monkeypatch.setattr(imports, "EACH_SECONDS", 3)
    present = installed(venv, tmp_path, ["waits", "zone"])
    unknown, taken = install.REPORTED
    assert unknown.startswith("whether waits can be imported is not known: it took more than 3 s")
    assert taken.startswith("graph 3.2.6: taken") and present["graph"] == "3.2.6"


def test_the_day_of_a_version():
    days = {"2.0": "2026-01-31", "1.0": "2011-06-30"}

    def versions(package, before):
        return [version for version, day in days.items() if day < before]

    assert imports.day_of(versions, "graph", "2.0") == "2026-02-01"
    assert imports.day_of(versions, "graph", "1.0") == "2011-07-01"
    assert imports.day_of(versions, "graph", "3.0") == ""
    assert imports.listed("graph (4.0)\nAvailable versions: 4.0, 3.0\n  LATEST: 4.0\n") == ["4.0", "3.0"]
    assert imports.listed("ERROR: No matching distribution found for graph") == []
