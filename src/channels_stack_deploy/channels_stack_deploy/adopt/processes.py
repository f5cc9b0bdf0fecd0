"""What a project runs in addition to its pages and sockets: workers of channels, Celery, commands after a release."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterator, Sequence

from channels_stack.doctor import settings as doctor_settings
from channels_stack.doctor.files import Module, Plan
from channels_stack.doctor.project import CHANNEL_ROUTER, TEST_FILE
from channels_stack.doctor.rules import processes
from channels_stack.doctor.values import is_certain, text, texts

from ..config import services
from .findings import Findings
from .modules import Found
from .requirements import Installed
from .tree import Tree, dotted_name

OURS = {
    *(
        "migrate",
        "migrate_schemas",
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
    "django_tasks.backends.database": ("tasks", "db_worker --queue-name '*'"),
    "django_tasks_db": ("tasks", "db_worker --queue-name '*'"),
}
"""Application that is a queue of jobs, other than Celery -> the service that works for it, and its command of manage.py
where no start script has one."""


FOREVER = {
    *("loop_forever", "run_forever", "run_until_disconnected", "serve_forever", "start_consuming"),
    *("infinity_polling", "run_polling", "start_polling"),
}
"""Methods that return when the process is stopped: listeners of MQTT and AMQP, loops of asyncio, bots."""


ENDS = {"--burst", "-b", "--run-once", "--batch", "--duration"}
"""Options with which a worker ends when it has nothing to do, or after a time: for a timer, and no process."""

YAML_VALUE = re.compile(r"([ ]*)(?:- +)?[\w.-]+:(?:[ ]+(?![|]).*)?$")
YAML_ITEM = re.compile(r"\s*(?:- |[\w.-]+:(?:\s|$))")

STOPS = {"KeyboardInterrupt", "SystemExit", "CancelledError", "GeneratorExit"}
"""Exceptions that ask a process to stop."""

SECRET = re.compile(r"token|pass|secret|key|://[^/\s]*@", re.IGNORECASE)
"""A command with an argument that nothing may show."""

PRINTED = re.compile(r"\b(?:echo|printf)\b[^;&|]*$")
"""Before a command that a script only prints."""


def find(tree: Tree, found: Found, installed: Installed, running: str = "") -> Findings:
    """APP_WORKER_CHANNELS, APP_COMMANDS and APP_RELEASE_COMMANDS; RUNNING is what APP_COMMANDS says already."""
    assert found.settings is not None
    findings = Findings()
    _worker_channels(tree, findings)
    values = doctor_settings.read(tree.files, found.settings)
    if not installed.lacks("celery"):
        _celery(tree, found, findings, values)
    _other_queues(tree, findings, values)
    commands: dict[str, str] = {}
    for place, match in tree.plans(r"manage\.py\s+([a-z]\w+)([^;&|\"']*)"):
        if PRINTED.search(match.string[: match.start()]):
            continue
        if match[1] not in OURS | {command.split()[0] for _, command in QUEUES.values()}:
            commands.setdefault(f"{match[1]}{match[2]}".strip(), place)
    _listeners(tree, findings, commands, running)
    findings.line("APP_RELEASE_COMMANDS", "", "migrate and collectstatic are the release's own")
    if commands:
        findings.questions.append(
            "APP_RELEASE_COMMANDS: start scripts run "
            + ", ".join(f"manage.py {_shown(command)} ({place})" for command, place in commands.items())
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
        if match is None or TEST_FILE.search(module.path):
            continue
        certain, endless = _endless(module)
        if endless is None:
            continue
        name = match[1]
        started = {call: commands.pop(call) for call in list(commands) if call.split()[0] == name}
        plain = [call for call in started if certain and _is_plain(call)]
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
        call, place = next(iter(started.items()), (name, ""))
        own = f"{service}: python manage.py {_shown(call)}"
        findings.questions.append(
            f"APP_COMMANDS: manage.py {name} {'runs' if certain else 'may run'} until it is stopped "
            f"({module.place(endless)}), and {f'{place} starts it' if place else 'nothing starts it'}; "
            f"if it belongs to production: APP_COMMANDS={'; '.join([*others, own])}"
        )


def _is_plain(call: str) -> bool:
    """Whether CALL can be written as it is: it means the same without a shell, and holds no secret."""
    return _shown(call) == call and all(WORD.fullmatch(word) for word in call.split())


def _shown(call: str) -> str:
    """CALL, without its arguments where one of them may be a secret."""
    name, *arguments = call.split(maxsplit=1)
    return f"{name} …" if any(map(SECRET.search, arguments)) else call


def _endless(module: Module) -> tuple[bool, ast.AST | None]:
    """What runs until it is stopped in MODULE: a call of FOREVER, or a loop; and whether that is certain.

    A loop that an error ends, or in a function within another one, may be a service or not.
    """
    doubtful: ast.AST | None = None
    for node in module.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FOREVER:
            return True, node
        if not (isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and node.test.value):
            continue
        exits = list(_exits(node.body))
        if not exits and not _is_within_another(module, node):
            return True, node
        if not any(exits):
            doubtful = doubtful or node
    return False, doubtful


def _exits(nodes: Sequence[ast.AST], handled: bool = False, inner: bool = False) -> Iterator[bool]:
    """For each exit of a loop whose body has NODES: whether it is certainly an ordinary end, and no error.

    Stopping the process, or an option (`--once`), is none. HANDLED: NODES run after an exception;
    INNER: they are in a loop of their own, which `break` ends.
    """
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(node, ast.ExceptHandler) and _is_stop(node):
            continue
        if isinstance(node, ast.If) and re.search(r"\b(options|kwargs)\b", ast.unparse(node.test)):
            yield from _exits(node.orelse, handled, inner)
            continue
        if isinstance(node, ast.Return) or (isinstance(node, ast.Break) and not inner) or _leaves(node):
            yield not handled
        elif isinstance(node, (ast.Raise, ast.Yield, ast.YieldFrom)):
            yield False
        yield from _exits(
            list(ast.iter_child_nodes(node)),
            handled or isinstance(node, ast.ExceptHandler),
            inner or isinstance(node, (ast.For, ast.AsyncFor, ast.While)),
        )


def _is_stop(handler: ast.ExceptHandler) -> bool:
    """Whether HANDLER is for nothing but the stop of the process."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return all(each and ast.unparse(each).rpartition(".")[2] in STOPS for each in caught)


def _leaves(node: ast.AST) -> bool:
    """Whether NODE ends the process."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) in {"exit", "quit", "sys.exit", "os._exit"}


def _is_within_another(module: Module, node: ast.AST) -> bool:
    """Whether something around the loop NODE may end it (a handler of an error), or run it aside (a second function)."""
    functions = 0
    while node in module.parents:
        inner, node = node, module.parents[node]
        functions += isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        tried = isinstance(node, ast.Try) and inner in node.body and not functions
        if tried and not all(map(_is_stop, getattr(node, "handlers", []))):
            return True
    return functions > 1


CHANNEL = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""What Channels takes for the name of one."""

CLIENTS = {"redis", "django_redis", "django_rq", "rq", "huey", "dramatiq", "redis_lock", "pottery"}
"""Packages by which a project speaks to a Redis itself; Celery and the layers have the stack's."""


KEEPS = [
    f"django.core.cache.cache.{prefix}{name}"
    for prefix in ("", "a")
    for name in ("set", "add", "incr", "set_many", "touch")
]
"""Calls that keep something in Django's default cache."""


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
    engine = values["SESSION_ENGINE"]
    # Sessions that are in a cache alone would be gone with it.
    sessions = [str(engine.at)] if engine and caches and (text(engine) or "").endswith(".cache") else []
    if not caches and processes.is_local(values, "default"):
        # In the memory of each process: what a page keeps there, a socket of another one would not see.
        shared = [str(module.place(call)) for module in tree.own() for call in module.calls(*KEEPS)]
        caches = shared[:1]
    kept = clients[:1] or sessions
    kind = "both" if caches and kept else "cache" if caches else "queue" if clients else ""
    if kind:
        reasons = [f"a cache: {cache}" for cache in caches]
        reasons += [f"a client: {client}" for client in clients[:1]]
        reasons += [f"sessions in it: {place}" for place in sessions]
        findings.line("APP_REDIS", kind, ", ".join(reasons))


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
    queues, unknown = _celery_queues(tree, values)
    default, default_unknown = _default_queue(tree, values)
    if not default_unknown:
        queues.pop(default, None)
    if unknown or (queues and default_unknown):
        findings.questions.append(
            "APP_COMMANDS: which queues Celery's tasks are sent to is known only at run time "
            f"({', '.join([*default_unknown, *unknown])}); its worker takes the default one: if it shall take others, "
            f"add -Q with the default one and those ({', '.join([*queues, '…'])}) to its line"
        )
        queues = {}
    taken = f" -Q {','.join([default, *queues])}" if queues else ""
    commands = [f"celery: celery -A {app} worker{taken} --loglevel INFO"]
    beat = _schedule(tree, values)
    if beat:
        stored = "django_celery_beat" in [each for each, _ in texts(values["INSTALLED_APPS"])]
        how = "--scheduler django_celery_beat.schedulers:DatabaseScheduler" if stored else "-s /tmp/beat"
        commands.append(f"beat: celery -A {app} beat {how} --loglevel INFO")
    why = [f"Celery: {place}"]
    why += [f"its schedule: {beat}"] if beat else []
    why += [f"its queue {queue}: {where}" for queue, where in queues.items()]
    findings.line("APP_COMMANDS", "; ".join(commands), "; ".join(why))


def _other_queues(tree: Tree, findings: Findings, values: doctor_settings.Settings) -> None:
    """The processes of each queue that is an installed application, with the options of the start scripts."""
    for name, place in texts(values["INSTALLED_APPS"]):
        if name not in QUEUES:
            continue
        service, command = QUEUES[name]
        started, unclear = _started(tree, re.split(r" [-{]", command)[0])
        for call, script in started.items():
            _process(
                findings, service, f"python manage.py {call}", f"{name}: {place.at}, as {script} starts it"
            )
        if started:
            continue
        rq = " ".join(getattr(values["RQ_QUEUES"], "items", None) or ["default"])
        usual = f"python manage.py {command.format(rq=rq)}"
        _process(findings, service, usual, f"{name}: {place.at}")
        if unclear:
            findings.questions.append(
                f"APP_COMMANDS: {unclear}; {usual!r} is taken: write what is missing to its line"
            )


def _started(tree: Tree, command: str) -> tuple[dict[str, str], str]:
    """({COMMAND of manage.py with its options: file:line} of one start script, that for production if there are several,
    what cannot be written as it is)."""
    by_file: dict[str, dict[str, str]] = {}
    unclear = ""
    name = r"\s+".join(command.split())
    call = re.compile(rf"manage\.py\s+{name}(?![\w-])(?P<options>[^;&|\]}}]*)")
    for plan in tree.plan_files():
        for number, line in _whole(plan):
            # As a list, a YAML or a Dockerfile has each word in quotes of its own.
            line = re.sub(r"[\"']\s*,\s*[\"']", " ", line)
            match = call.search(line)
            if match is None or PRINTED.search(line[: match.start()]):
                continue
            words = _words(match["options"])
            if words is None or any(map(SECRET.search, words)):
                unclear = (
                    unclear or f"{plan.path}:{number} starts {command} with options that only its shell knows"
                )
                continue
            if ends := ENDS & {word.partition("=")[0] for word in words}:
                unclear = unclear or f"{plan.path}:{number} starts {command} with {min(ends)}, which ends it"
                continue
            started = shlex.join([*command.split(), *words])
            by_file.setdefault(plan.path, {}).setdefault(started, f"{plan.path}:{number}")
    production = (path for path in by_file if any(word in path.lower() for word in ("prod", "procfile")))
    chosen = next(production, next(iter(by_file), ""))
    return by_file.get(chosen, {}), unclear


def _whole(plan: Plan) -> Iterator[tuple[int, str]]:
    """(number, line) of PLAN, with the lines that continue it: after a backslash, or in YAML the rest of a folded value."""
    lines = plan.lines
    number = 0
    while number < len(lines):
        first, line = number, lines[number]
        value = YAML_VALUE.match(line) if plan.path.endswith((".yml", ".yaml")) else None
        while number + 1 < len(lines):
            more = lines[number + 1]
            if line.rstrip().endswith("\\"):
                line = line.rstrip()[:-1]
            elif not (value and len(more) - len(more.lstrip()) > len(value[1]) and not YAML_ITEM.match(more)):
                break
            line = f"{line} {more.strip()}"
            number += 1
            first = number if "manage.py" in more else first
        yield first + 1, line
        number += 1


def _words(options: str) -> list[str] | None:
    """The words of OPTIONS, which a quote of the line around may end; None where a shell would make others of them."""
    try:
        words = shlex.split(options)
    except ValueError:
        try:
            words = shlex.split(options.rstrip().removesuffix("\\").rstrip().rstrip("\"'"))
        except ValueError:
            return None
    return words if all(WORD.fullmatch(word) or word == "*" for word in words) else None


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


DEFAULT_QUEUE = re.compile(r"celery_default_queue|(celery_)?task_default_queue", re.IGNORECASE)
"""Celery's own setting, in its new and its old name."""


def _default_queue(tree: Tree, values: doctor_settings.Settings) -> tuple[str, list[str]]:
    """The queue that a worker without a list takes, and file:line of what keeps it from being certain."""
    names: set[str] = set()
    unknown: list[str] = [] if values.complete else [str(values.place)]
    for setting, value in values.values.items():
        if re.fullmatch(r"\w+_TASK_DEFAULT_QUEUE|CELERY_DEFAULT_QUEUE", setting):
            names.add(text(value) or "")
            unknown += [] if text(value) and is_certain(value) else [str(value.at)]
    for module in tree.own():
        if TEST_FILE.search(module.path):
            continue
        for given in _default_queues(module):
            name = _queue(tree, module, given, values)
            names.add(name)
            unknown += [] if name else [str(module.place(given))]
    if len(names) > 1 and not unknown:
        unknown = [f"the default queue is one of {', '.join(sorted(names))}"]
    return next(iter(names - {""}), "celery"), unknown


def _default_queues(module: Module) -> Iterator[ast.expr]:
    """What code gives Celery as its default queue, in each form; not by a setting of Django's, which has a prefix."""
    for node in module.nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                key = target.slice if isinstance(target, ast.Subscript) else None
                name = getattr(target, "attr", "") or (key.value if isinstance(key, ast.Constant) else "")
                if DEFAULT_QUEUE.fullmatch(str(name)) or getattr(target, "id", "") == "task_default_queue":
                    yield node.value
        elif isinstance(node, ast.keyword) and DEFAULT_QUEUE.fullmatch(node.arg or ""):
            yield node.value
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and DEFAULT_QUEUE.fullmatch(str(key.value)):
                    yield value


def _celery_queues(tree: Tree, values: doctor_settings.Settings) -> tuple[dict[str, str], list[str]]:
    """Queue -> file:line of all that tasks are sent to by name, and file:line of those whose name only running shows.

    A worker without a list takes the default one alone, and tasks of another wait for ever, without a word.
    """
    queues: dict[str, str] = {}
    for place, names in _started_queues(tree):
        for name in names.split(","):
            queues.setdefault(name, place)
    for module in tree.own():
        if not re.search(r"(?i:celery)|[A-Z]_(TASK|BEAT)_", module.text) or TEST_FILE.search(module.path):
            continue
        for node in module.nodes:
            sent: list[ast.expr] = []
            if isinstance(node, ast.Call):
                made = module.dotted(node.func) == "kombu.Queue"
                sent = [
                    each.value
                    for each in node.keywords
                    if each.arg == "queue" or (made and each.arg == "name")
                ]
                sent += node.args[:1] if made else []
            elif isinstance(node, ast.Dict):
                keys = [getattr(key, "value", None) for key in node.keys]
                sent = [value for key, value in zip(keys, node.values, strict=True) if key == "queue"]
            for value in sent:
                if isinstance(value, ast.Constant) and not isinstance(value.value, str):
                    continue
                queues.setdefault(_queue(tree, module, value, values), str(module.place(value)))
    unknown = [place for name, place in queues.items() if not QUEUE.fullmatch(name)]
    return {name: place for name, place in queues.items() if QUEUE.fullmatch(name)}, unknown


def _queue(tree: Tree, module: Module, node: ast.expr, values: doctor_settings.Settings) -> str:
    """The name of the queue that NODE is in each environment; "" where that is not known."""
    source, _, setting = module.dotted(node).rpartition(".")
    if source == "django.conf.settings":
        value = values[setting]
        return (text(value) or "") if is_certain(value) else ""
    return _constant(tree, module, node)


def _started_queues(tree: Tree) -> Iterator[tuple[str, str]]:
    """(file:line, names) of each list of queues that start scripts give to Celery."""
    for plan in tree.plan_files():
        for number, line in enumerate(plan.lines):
            first = number
            while first and (
                re.match(r"\s*(?:- +)?[\"']?-", plan.lines[first])
                or plan.lines[first - 1].rstrip().endswith("\\")
            ):
                first -= 1
            above = " ".join(plan.lines[first:number])
            for match in re.finditer(r"(?<![\w-])(?:-Q|--queues)[=\s\"',]*([^\s\"']+)", line):
                before = above + line[: match.start()]
                if re.search(r"celery[^;&|]*$", before) and not PRINTED.search(before):
                    yield f"{plan.path}:{number + 1}", match[1].rstrip(",];")


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
