"""What a project runs in addition to its pages and sockets: workers of channels, Celery, commands after a release."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator

from channels_stack.doctor import settings as doctor_settings
from channels_stack.doctor.files import Module
from channels_stack.doctor.project import CHANNEL_ROUTER, TEST_FILE
from channels_stack.doctor.values import text, texts

from ..config import services
from .findings import Findings
from .modules import Found
from .tree import Tree, dotted_name

OURS = {
    *(
        "migrate",
        "collectstatic",
        "runserver",
        "check",
        "shell",
        "test",
        "runworker",
        "createsuperuser",
        "makemigrations",
    ),
    *("compilemessages", "celery", "wait_for_db", "wait_for_database", "createcachetable", "dbshell"),
}
"""Commands of manage.py in start scripts that the stack does itself, or that are not for each release."""


QUEUES = {
    "django_q": ("tasks", "qcluster"),
    "django_rq": ("tasks", "rqworker {rq}"),
    "django_dramatiq": ("tasks", "rundramatiq --processes 1"),
    "huey.contrib.djhuey": ("tasks", "run_huey"),
    "background_task": ("tasks", "process_tasks"),
    "procrastinate.contrib.django": ("tasks", "procrastinate worker"),
    "django_tasks.backends.database": ("tasks", "db_worker"),
    "django_tasks_db": ("tasks", "db_worker"),
}
"""Application that is a queue of jobs, other than Celery -> the service that works for it, and its command of manage.py."""


FOREVER = {
    *("loop_forever", "run_forever", "run_until_disconnected", "serve_forever", "start_consuming"),
    *("infinity_polling", "run_polling", "start_polling"),
}
"""Methods that return when the process is stopped: listeners of MQTT and AMQP, loops of asyncio, bots."""


def find(tree: Tree, found: Found, running: str = "") -> Findings:
    """APP_WORKER_CHANNELS, APP_COMMANDS and APP_RELEASE_COMMANDS; RUNNING is what APP_COMMANDS says already."""
    assert found.settings is not None
    findings = Findings()
    _worker_channels(tree, findings)
    values = doctor_settings.read(tree.files, found.settings)
    _celery(tree, found, findings, values)
    _other_queues(findings, values)
    commands: dict[str, str] = {}
    for place, match in tree.plans(r"manage\.py\s+([a-z]\w+)([^;&|\"']*)"):
        if match[1] not in OURS | {command.split()[0] for _, command in QUEUES.values()}:
            commands.setdefault(f"{match[1]}{match[2]}".strip(), place)
    _listeners(tree, findings, commands, running)
    findings.line("APP_RELEASE_COMMANDS", "", "migrate and collectstatic are the release's own")
    if commands:
        findings.questions.append(
            "APP_RELEASE_COMMANDS: start scripts run "
            + ", ".join(f"manage.py {command} ({place})" for command, place in commands.items())
            + "; those that belong to each release go there, those that run all the time to APP_COMMANDS"
        )
    _redis(tree, findings, values)
    return findings


def _listeners(tree: Tree, findings: Findings, commands: dict[str, str], running: str) -> None:
    """Commands of the project's own that run until they are stopped, taken out of COMMANDS, those of start scripts.

    What a start script runs is a process; what nothing starts is a question.
    """
    for module in tree.own():
        match = re.search(r"(?:^|/)management/commands/([a-z]\w*)\.py$", module.path)
        endless = next((node for node in module.nodes if _is_endless(node)), None) if match else None
        if match is None or endless is None or TEST_FILE.search(module.path):
            continue
        name = match[1]
        started = {call: commands.pop(call) for call in list(commands) if call.split()[0] == name}
        plain = [call for call in started if all(WORD.fullmatch(word) for word in call.split())]
        service = re.sub(r"[^a-z0-9]+", "-", name.lower())[:25].strip("-")
        service = f"{service}-job" if service in services.NAMES else service
        for call in plain[:1]:
            why = (
                f"{name}: {started[call]} starts it, and it runs until it is stopped: {module.place(endless)}"
            )
            _process(findings, service, f"python manage.py {' '.join(call.split())}", why)
        if plain or re.search(rf"\b{name}\b", running):
            continue
        others = [line.value for line in findings.lines if line.name == "APP_COMMANDS"]
        own = f"{service}: python manage.py {next(iter(started), name)}"
        findings.questions.append(
            f"APP_COMMANDS: manage.py {name} runs until it is stopped ({module.place(endless)}), and nothing starts it; "
            f"if it belongs to production: APP_COMMANDS={'; '.join([*others, own])}"
        )


def _is_endless(node: ast.AST) -> bool:
    """Whether NODE is a call of FOREVER, or a loop that only an exception ends."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in FOREVER
    always = isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
    return always and not any(isinstance(each, (ast.Break, ast.Return)) for each in _without_handlers(node))


def _without_handlers(node: ast.AST) -> Iterator[ast.AST]:
    """NODE and what is in it, but for what is done after an exception (KeyboardInterrupt) or for an option (`--once`)."""
    yield node
    for child in ast.iter_child_nodes(node):
        optional = isinstance(child, ast.If) and any(
            isinstance(part, ast.Name) and part.id in ("options", "kwargs") for part in ast.walk(child.test)
        )
        if not optional and not isinstance(child, ast.ExceptHandler):
            yield from _without_handlers(child)


CHANNEL = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""What Channels takes for the name of one."""

CLIENTS = {"redis", "django_redis", "django_rq", "rq", "huey", "dramatiq", "redis_lock", "pottery"}
"""Packages by which a project speaks to a Redis itself; Celery and the layers have the stack's."""


def _redis(tree: Tree, findings: Findings, values: doctor_settings.Settings) -> None:
    """APP_REDIS, where a cache or code of the project's own wants a Redis."""
    caches = [
        str(backend.at)
        for alias in (getattr(values["CACHES"], "items", None) or {})
        if "redis" in (text(backend := values.get("CACHES", alias, "BACKEND")) or "").lower() and backend
    ]
    clients = [
        str(module.place(imported.node))
        for module in tree.own()
        for imported in module.imports
        if imported.module.partition(".")[0] in CLIENTS and not TEST_FILE.search(module.path)
    ]
    kind = "both" if caches and clients else "cache" if caches else "queue" if clients else ""
    if kind:
        findings.line(
            "APP_REDIS",
            kind,
            ", ".join(
                [f"a cache: {cache}" for cache in caches] + [f"a client: {client}" for client in clients[:1]]
            ),
        )


def _worker_channels(tree: Tree, findings: Findings) -> None:
    """The names in each ChannelNameRouter."""
    names: dict[str, str] = {}
    for module in tree.own():
        for call in module.calls(CHANNEL_ROUTER):
            literal = call.args[0] if call.args else None
            if isinstance(literal, ast.Name):
                literal = module.assigned.get(literal.id)
            keys = literal.keys if isinstance(literal, ast.Dict) else [None]
            for key in keys:
                value = _constant(tree, module, key)
                if value and not CHANNEL.fullmatch(value):
                    findings.questions.append(
                        f"APP_WORKER_CHANNELS: {module.place(key or call)} routes {value[:100]!r}, which is no name of a channel "
                        "(letters, digits, - _ . alone): give it another one"
                    )
                elif value:
                    names.setdefault(value, str(module.place(key or call)))
                else:
                    findings.questions.append(
                        f"APP_WORKER_CHANNELS: {module.place(key or call)} routes channels by names that are known only at "
                        "run time; add them, separated by spaces"
                    )
    why = ", ".join(f"{name}: {place}" for name, place in names.items()) or "no ChannelNameRouter: no worker"
    findings.line("APP_WORKER_CHANNELS", " ".join(names), why)


def _constant(tree: Tree, module: Module, node: ast.expr | None, depth: int = 0) -> str:
    """The text that NODE is or names, in MODULE or where that imports it from; "" for any other."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    path, _, name = module.dotted(node).rpartition(".")
    if not name or depth > 5:
        return ""
    source = module if not path else tree.files.module(path, module)
    return _constant(tree, source, source.assigned.get(name), depth + 1) if source else ""


def _celery(tree: Tree, found: Found, findings: Findings, values: doctor_settings.Settings) -> None:
    apps: dict[str, tuple[Module, str, str]] = {}
    for module in tree.own():
        for name, value in module.assigned.items():
            if isinstance(value, ast.Call) and module.dotted(value.func) in (
                "celery.Celery",
                "celery.app.Celery",
            ):
                apps.setdefault(module.path, (module, name, str(module.place(value))))
    apps = {
        path: each
        for path, each in apps.items()
        if any(path.startswith(os.path.join(root, "")) for root in found.roots)
    }
    if not apps:
        return
    if len(apps) > 1:
        places = ", ".join(place for _, _, place in apps.values())
        findings.questions.append(
            f"APP_COMMANDS: Celery applications are made in {places}; write APP_COMMANDS=celery: celery -A MODULE worker, and "
            "beat: celery -A MODULE beat -s /tmp/beat for the one that has a schedule"
        )
        return
    ((path, (_, name, place)),) = apps.items()
    root = max((each for each in found.roots if path.startswith(os.path.join(each, ""))), key=len)
    module_name = dotted_name(path, root)
    if root != found.roots[0]:
        findings.notes.append(f"celery -A {module_name} is found through APP_PATH ({root})")
    app = module_name if name in ("app", "celery") else f"{module_name}:{name}"
    queues = _celery_queues(tree, values)
    taken = f" -Q {','.join(queues)}" if len(queues) > 1 else ""
    commands = [f"celery: celery -A {app} worker{taken} --loglevel INFO"]
    beat = _schedule(tree, values)
    if beat:
        stored = "django_celery_beat" in [each for each, _ in texts(values["INSTALLED_APPS"])]
        how = "--scheduler django_celery_beat.schedulers:DatabaseScheduler" if stored else "-s /tmp/beat"
        commands.append(f"beat: celery -A {app} beat {how} --loglevel INFO")
    why = [f"Celery: {place}"]
    why += [f"its schedule: {beat}"] if beat else []
    why += [f"its queue {queue}: {where}" for queue, where in list(queues.items())[1:]]
    findings.line("APP_COMMANDS", "; ".join(commands), "; ".join(why))


def _other_queues(findings: Findings, values: doctor_settings.Settings) -> None:
    """The process of each queue that is an installed application."""
    for name, place in texts(values["INSTALLED_APPS"]):
        if name in QUEUES:
            service, command = QUEUES[name]
            rq = " ".join(getattr(values["RQ_QUEUES"], "items", None) or ["default"])
            _process(findings, service, f"python manage.py {command.format(rq=rq)}", f"{name}: {place.at}")


def _process(findings: Findings, service: str, command: str, why: str) -> None:
    """Add COMMAND to the line APP_COMMANDS, unless it is there, as SERVICE or, where that is taken, with a number."""
    before = next((line for line in findings.lines if line.name == "APP_COMMANDS"), None)
    commands = before.value.split("; ") if before else []
    if any(each.partition(": ")[2] == command for each in commands):
        return
    findings.lines[:] = [line for line in findings.lines if line is not before]
    same = sum(re.fullmatch(rf"{service}(-\d+)?", each.partition(":")[0]) is not None for each in commands)
    name = f"{service}-{same + 1}" if same else service
    findings.line(
        "APP_COMMANDS",
        "; ".join([*commands, f"{name}: {command}"]),
        "; ".join([*([before.why] if before else []), why]),
    )


WORD = re.compile(r"[A-Za-z0-9_./:=,@%+-]+")
"""A word of a command that means the same in a shell, in APP_COMMANDS and in itself."""


QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
"""A name of a queue that needs no quotes."""


def _celery_queues(tree: Tree, values: doctor_settings.Settings) -> dict[str, str]:
    """Queue -> file:line of all that tasks are sent to, the default one first.

    A worker without a list takes the default one alone, and tasks of another wait for ever, without a word.
    """
    default = values["CELERY_TASK_DEFAULT_QUEUE"] or values["CELERY_DEFAULT_QUEUE"]
    queues = {text(default) or "celery": str(default.at) if default else ""}
    for place, match in tree.plans(r"(?<![\w-])(?:-Q|--queues)[=\s\"',]*([A-Za-z0-9_.:,-]+)"):
        for name in match[1].split(","):
            queues.setdefault(name, place)
    for module in tree.own():
        if "celery" not in module.text.lower() or TEST_FILE.search(module.path):
            continue
        for node in module.nodes:
            names: list[ast.expr | None] = []
            if isinstance(node, ast.Call):
                names = [keyword.value for keyword in node.keywords if keyword.arg == "queue"]
                if module.dotted(node.func) == "kombu.Queue":
                    names += node.args[:1]
            elif isinstance(node, ast.Dict):
                keys = [getattr(key, "value", None) for key in node.keys]
                names = [value for key, value in zip(keys, node.values, strict=True) if key == "queue"]
            for name in names:
                queues.setdefault(_constant(tree, module, name), str(module.place(name or node)))
    return {name: place for name, place in queues.items() if QUEUE.fullmatch(name)}


def _schedule(tree: Tree, values: doctor_settings.Settings) -> str:
    """file:line of a schedule of Celery's beat; "" where there is none."""
    for name in ("CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE", "CELERY_BEAT_SCHEDULER"):
        value = values[name]
        if value is not None and getattr(value, "items", None) != {}:
            return str(value.at)
    for place in texts(values["INSTALLED_APPS"]):
        if place[0] == "django_celery_beat":
            return str(place[1].at)
    for module in tree.own():
        if "celery" not in module.text.lower():
            continue
        for node in module.nodes:
            name = node.attr if isinstance(node, ast.Attribute) else ""
            if name in ("beat_schedule", "add_periodic_task"):
                return str(module.place(node))
    return ""
