"""The statements of the Channels 4.0 release notes that a deployment depends on, each quoted above its test."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request

import pytest
from minimal import PROJECT
from processes import PATIENCE, answers, free_port, until

from channels_stack.doctor.examine import examine
from channels_stack.doctor.project import Project

CALL = """
import asyncio, django
django.setup()
from channels.routing import ProtocolTypeRouter
from channels.testing import HttpCommunicator
{router}
async def call():
    statuses, requests = [], [{{"type": "http.request"}}]
    async def receive():
        return requests.pop() if requests else await asyncio.sleep(3600)
    async def send(message):
        statuses.append(message.get("status"))
    page = HttpCommunicator(application, "GET", "/slow/?seconds=0", headers=[(b"host", b"localhost")])
    # Not by the communicator: of an application that fails at once it hears after its time limit only.
    await application(page.scope, receive, send)
    print(statuses[0])
asyncio.run(call())
"""
"""Asks an application for a page without a server."""

ORDER = """
import django
django.setup()
from django.core.management import get_commands
found = get_commands()
print(*(getattr(found.get(name), "name", found.get(name)) for name in ("runserver", "runworker")))
"""


def rules_about(tmp_path, source: str) -> set[str]:
    """The numbers of the doctor's errors about a module with this SOURCE."""
    (tmp_path / "module.py").write_text(source)
    report = examine(Project(str(tmp_path)))
    return {finding.id.rpartition(".")[2] for finding in report.findings}


def test_runserver_is_daphnes(python):
    """ "The ``runserver`` command is moved to the ``daphne`` package. In order to use the ``runserver`` command, add
    ``daphne`` to your ``INSTALLED_APPS``"."""
    assert python("-c", ORDER).text.split()[0] == "daphne"


def test_without_daphne_in_the_apps_runserver_is_not_daphnes(python, settings):
    """ "In order to use the ``runserver`` command, add ``daphne`` to your ``INSTALLED_APPS``": else it is WSGI's, and
    websockets are not found."""
    without = settings("INSTALLED_APPS = [name for name in INSTALLED_APPS if name != 'daphne']")
    assert python("-c", ORDER, **without).text.split()[0] == "django.contrib.staticfiles"


def test_a_check_ensures_that_daphne_stands_above_staticfiles(python, settings):
    """ "before ``django.contrib.staticfiles`` … There is a new system check to ensure this ordering."."""
    assert python("-m", "django", "check").code == 0
    below = settings("INSTALLED_APPS = [*(name for name in INSTALLED_APPS if name != 'daphne'), 'daphne']")
    done = python("-m", "django", "check", **below)
    assert done.code == 1
    assert "(daphne.E001)" in done.text


def test_the_doctor_sees_the_order_without_running_the_project(tmp_path):
    """ "before ``django.contrib.staticfiles``": the doctor's E207."""
    (tmp_path / "manage.py").touch()
    (tmp_path / "site").mkdir()
    (tmp_path / "site/settings.py").write_text(
        'SECRET_KEY = "x"\nROOT_URLCONF = "site.urls"\n'
        'INSTALLED_APPS = ["channels", "django.contrib.staticfiles", "daphne"]\n'
    )
    found = {finding.id.rpartition(".")[2] for finding in examine(Project(str(tmp_path))).findings}
    assert "E207" in found


def test_runserver_serves_pages_and_static_files(settings, tmp_path):
    """ "Removed deprecated static files handling in favor of ``django.contrib.staticfiles``."; `runserver` serves
    them, and its start names Daphne."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{tmp_path}:{PROJECT}",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **settings("DATABASES = {}"),
    }
    command = [
        sys.executable,
        "-m",
        "django",
        "runserver",
        "--noreload",
        "--skip-checks",
        f"127.0.0.1:{port}",
    ]
    said = tmp_path / "said"
    with said.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        until(lambda: answers(port) or process.poll() is not None, what="runserver answers")
        until(lambda: "Starting ASGI/Daphne version" in said.read_text(), what="it names Daphne")
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/static/mysite/home.css", timeout=PATIENCE
        ) as answer:
            assert b"rebeccapurple" in answer.read()
    finally:
        process.kill()
        process.wait()


def test_runworker_is_channels(python):
    """ "Note, the ``runworker`` command remains a part of the ``channels`` app."."""
    assert python("-c", ORDER).text.split()[1] == "channels"


def test_channels_without_daphne(python, settings, without_daphne):
    """ "the Daphne application server is now an optional dependency": everything that serves runs without it."""
    without = settings("INSTALLED_APPS = [name for name in INSTALLED_APPS if name != 'daphne']")
    code = (
        "import channels.auth, channels.generic.websocket, channels.layers, channels.routing, channels.security.websocket\n"
        "import channels.worker, channels.management.commands.runworker, channels_stack.commands.worker\n"
        "import channels_stack.servers.application, channels_stack.servers.uvicorn, mysite.asgi\n"
        "import importlib.util, sys\n"
        "print([name for name in ('daphne', 'twisted', 'autobahn') if importlib.util.find_spec(name)])\n"
        "print(mysite.asgi.application)"
    )
    done = python("-c", f"import django; django.setup()\n{code}", site=without_daphne, **without)
    assert done.code == 0, done.text
    assert done.text.splitlines()[0] == "[]" and "ProtocolTypeRouter" in done.text


def test_the_live_server_still_requires_daphne(python, settings, without_daphne):
    """ "Use of ``ChannelsLiveServerTestCase`` still requires Daphne."."""
    without = settings("INSTALLED_APPS = [name for name in INSTALLED_APPS if name != 'daphne']")
    code = "import django; django.setup()\nfrom channels.testing import ChannelsLiveServerTestCase"
    assert python("-c", code, **without).code == 0
    done = python("-c", code, site=without_daphne, **without)
    assert done.code == 1 and "No module named 'daphne'" in done.text


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_the_live_server_by_every_way_to_start_a_process(python, method, tmp_path):
    """ "Fixed ``ChannelsLiveServerTestCase`` when running on systems using the ``spawn`` multiprocessing start
    method". Python 3.14 starts processes by ``forkserver`` on Linux."""
    own = {"DJANGO_SETTINGS_MODULE": "mysite.live_settings", "TMPDIR": str(tmp_path)}
    done = python("-m", "mysite.live", method, **own)
    assert done.code == 0, done.text
    assert "Ran 1 test" in done.text


@pytest.mark.parametrize(
    ("module", "rule"),
    [
        ("channels.http", "E101"),
        ("channels.staticfiles", "E102"),
        ("channels.signals", "E103"),
        ("channels.hacks", "E104"),
        ("channels.management.commands.runserver", "E105"),
    ],
)
def test_what_was_removed_is_gone_and_the_doctor_names_it(python, tmp_path, module, rule):
    """ "the matching Channels classes have been removed": AsgiHandler, AsgiRequest, the static files handler; "Removed
    the ``consumer_started`` and ``consumer_finished`` signals"; "The ``runserver`` command is moved"."""
    done = python("-c", f"import {module}")
    assert done.code == 1 and f"No module named '{module}'" in done.text
    assert rule in rules_about(tmp_path, f"import {module}\n")


def test_http_is_djangos(python):
    """ "You should use Django's ``get_asgi_application`` to provide the ``http`` handler for ProtocolTypeRouter"."""
    router = (
        "from django.core.asgi import get_asgi_application\n"
        "application = ProtocolTypeRouter({'http': get_asgi_application()})"
    )
    done = python("-c", CALL.format(router=router))
    assert done.text.split()[-1] == "200", done.text


def test_http_is_not_routed_by_itself(python, tmp_path):
    """ "Removed deprecated automatic routing of ``http`` protocol handler in ``ProtocolTypeRouter``. You must
    explicitly register the ``http`` handler": the doctor's E201."""
    done = python("-c", CALL.format(router="application = ProtocolTypeRouter({})"))
    assert "ValueError: No application configured for scope type 'http'" in done.text
    source = "from channels.routing import ProtocolTypeRouter\napplication = ProtocolTypeRouter({'websocket': None})\n"
    assert "E201" in rules_about(tmp_path, source)


TWO_STEPS = """
class Old:
    def __init__(self, scope):
        self.scope = scope
    async def __call__(self, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
"""


def test_an_application_of_two_steps_is_refused(python, tmp_path):
    """ "The use of the ``guarantee_single_callable()`` compatibility shim is removed. All applications must be ASGI v3
    single-callables.": the doctor's E111."""
    router = TWO_STEPS + "application = ProtocolTypeRouter({'http': Old})"
    done = python("-c", CALL.format(router=router))
    assert "TypeError" in done.text and "200" not in done.text
    route = (
        "from channels.routing import ProtocolTypeRouter\napplication = ProtocolTypeRouter({'http': Old})\n"
    )
    assert "E111" in rules_about(tmp_path, TWO_STEPS + route)


def test_static_files_are_djangos(python, tmp_path):
    """ "Removed deprecated static files handling in favor of ``django.contrib.staticfiles``.": its finders and its
    ``collectstatic`` are all that the stack needs."""
    root = tmp_path / "collected"
    code = (
        "import django; django.setup()\nfrom django.conf import settings\nfrom django.core.management import call_command\n"
        f"settings.STATIC_ROOT = {str(root)!r}\ncall_command('collectstatic', interactive=False)"
    )
    done = python("-c", code)
    assert done.code == 0, done.text
    assert (root / "mysite/home.css").read_text() == (PROJECT / "mysite/static/mysite/home.css").read_text()


def test_daphne_is_at_least_4(python):
    """ "Where Daphne is used ``daphne>=4.0.0`` is required. The ``channels[daphne]`` extra assures this."."""
    code = (
        "from importlib.metadata import requires, version\n"
        "print([each for each in requires('channels') if each.startswith('daphne')], version('daphne'))"
    )
    said = python("-c", code).text
    assert "daphne>=4.0.0" in said and int(said.split()[-1].partition(".")[0]) >= 4, said


def test_the_minimal_project_of_the_notes_has_no_errors(tmp_path):
    """ "The minimal ``asgi.py`` file routing the Django ASGI application under a ``ProtocolTypeRouter`` will now look
    something like this": nothing in it is a leftover of Channels 3."""
    report = examine(Project(str(PROJECT)))
    wrong = [
        str(one) for one in report.findings if one.id.startswith(("channels_stack.E1", "channels_stack.E2"))
    ]
    assert (wrong, report.failures) == ([], [])
