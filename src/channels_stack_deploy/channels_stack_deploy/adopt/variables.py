"""Which environment variables a project's settings read, and what each of them gets in app.env."""

from __future__ import annotations

import ast
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from channels_stack.doctor import settings as doctor_settings
from channels_stack.doctor import settings_modules
from channels_stack.doctor.composed import choices
from channels_stack.doctor.files import Module

from ..config import settings as stack_settings
from ..console import printable
from . import typed
from .modules import Found
from .tree import Tree

LENT = {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"}
"""What the stack gives under these names while the settings are imported, and as NAME_FILE always."""

OTHERS = {"DJANGO_SETTINGS_MODULE", "PATH", "HOME", "PYTHONPATH", "DJANGO_READ_DOT_ENV_FILE", "TZ", "LANG"}
"""What is in each container, or must not be set there."""

COVERED = {
    "SECRET_KEY": "secret_key",
    "DEBUG": "debug",
    "ALLOWED_HOSTS": "hosts",
    "CSRF_TRUSTED_ORIGINS": "origins",
    "DATABASES": "database",
    "CHANNEL_LAYERS": "layers",
    "CELERY_BROKER_URL": "celery",
    "CELERY_RESULT_BACKEND": "celery",
    "MEDIA_ROOT": "media",
    "STATIC_ROOT": "static",
}
"""Setting -> the part of the overlay that sets it: a variable for nothing else only has to be there."""

REDIS = {"CACHES", "CHANNEL_LAYERS", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"}
"""Settings that say where a Redis is."""

ON = {"true", "1", "yes", "on", "y", "t"}

SWITCH = re.compile(r"DEBUG|(^|_)DEV(_|$)|DEVELOPMENT")
"""A variable that turns development on, and with it DEBUG."""

OPPOSITE = re.compile(r"(^|_)(NO|NOT|NON|OFF|SKIP|WITHOUT|DISABLED?)(_|$)|NODEBUG|NODEV")
"""A variable that turns it off."""

PRODUCTION = ("production", "prod")
"""Words for production that settings compare the environment with; "live" may be a mode of payments."""

STAGE = re.compile(
    r"((DJANGO|APP|APPLICATION|PROJECT|SERVER|DEPLOY|DEPLOYMENT|RUN)_)?(ENV|ENVIRONMENT|STAGE)"
)
"""A variable that says where the project runs."""

OFF = {"false", "0", "no", "off", "n", "f", ""}

READERS = {
    "env",
    "config",
    "environ",
    "getenv",
    "get_env",
    "env_var",
    "get_env_variable",
    "get_env_value",
    "get_secret",
}
"""Names of functions and objects that read the environment: django-environ's, environs', decouple's, and people's own."""

IMPLIED = {
    "db": "DATABASE_URL",
    "db_url": "DATABASE_URL",
    "cache": "CACHE_URL",
    "cache_url": "CACHE_URL",
    "email": "EMAIL_URL",
}
"""Methods of django-environ that have a variable of their own where none is named."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What app.env can hold; a shell could not set another one either."""

FRONT_ENDS = {"CORS_ALLOWED_ORIGINS", "CORS_ORIGIN_WHITELIST"}
"""Settings that name origins of pages, the stack's own and those of front ends elsewhere."""

UNFILLED = re.compile(
    r"|<.*>|\W*(set|change|replace|your|todo|fixme|xxx+)\b.*|change_?me|\.\.\.", re.IGNORECASE
)
"""A value that a template left for a person to write."""

VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
PRODUCTION_FILES = (
    ".envs/.production/*",
    ".env.production",
    ".env.prod",
    "production.env",
    "prod.env",
    ".envs/production.env",
)
OTHER_FILES = (
    ".env",
    ".env.example",
    ".env.sample",
    "env.example",
    ".env.template",
    ".env.dist",
    ".envs/.local/*",
    ".envs/.example/*",
)


@dataclass
class Variable:
    """One that the settings read."""

    name: str
    place: str
    required: bool
    value: str | None = None
    """What app.env gives it; None: nothing is known, a person has to."""
    source: str = ""
    """Where the value comes from."""
    unfilled: bool = False
    """Whether that value was left for a person to write."""


@dataclass
class Uses:
    """How the settings use variables."""

    reads: dict[str, list[tuple[str, bool, frozenset[str]]]] = field(default_factory=dict)
    """Variable -> (file:line, whether it has to be there, the names that it is assigned to)."""
    flows: dict[str, set[str]] = field(default_factory=dict)
    """Name -> the names that are computed from it."""
    chosen: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name by which files are chosen -> the word for production, and why."""
    lists: set[str] = field(default_factory=set)
    """Variables that hold lists, as JSON."""
    parts: set[str] = field(default_factory=set)
    """Variables that are a part of an address: within a text that begins otherwise, or of a pair such as (host, port)."""
    bare: set[str] = field(default_factory=set)
    """Variables that are assigned as they are: for a switch, any text but the empty one is on."""
    numbers: set[str] = field(default_factory=set)
    """Variables that have to be a number."""
    on: set[str] = field(default_factory=set)
    """Variables whose default counts as true: it may be a number as well."""
    true: set[str] = field(default_factory=set)
    """Those whose default is just that."""
    off: dict[str, str] = field(default_factory=dict)
    """Variable -> the text that a comparison takes for off."""
    words: dict[str, set[str]] = field(default_factory=dict)
    """Variable, name or field -> the words for production that it is compared with."""
    defaults: dict[str, set[str]] = field(default_factory=dict)
    """Variable -> the texts that it has by default."""
    fields: dict[str, str] = field(default_factory=dict)
    """Variable -> the field of a class that it fills."""
    turned: set[tuple[str, str]] = field(default_factory=set)
    """(variable or name, name that is computed from it): where one is on, the other may be off."""

    def is_opposite(self, name: str) -> bool:
        """Whether the variable NAME turns DEBUG off where it is on, as far as its text shows."""
        targets = {target for _, _, targets in self.reads[name] for target in targets}
        on_the_way = {name} | (_reached(targets, self.flows) - {"DEBUG"})
        return OPPOSITE.search(name) is not None or any(
            source in on_the_way and "DEBUG" in _reached({target}, self.flows)
            for source, target in self.turned
        )

    def reaches_debug(self, name: str) -> bool:
        """Whether DEBUG is made from the variable NAME."""
        return "DEBUG" in _reached(
            {target for _, _, targets in self.reads[name] for target in targets}, self.flows
        )

    def stage(self, name: str) -> str:
        """The word for production that the variable NAME, which says where this runs, is compared with; "" for another."""
        if not (STAGE.fullmatch(name) or self.reaches_debug(name)):
            return ""
        names = {
            name,
            self.fields.get(name, name),
            *(each for _, _, targets in self.reads[name] for each in targets),
        }
        words = {word for each in names for word in self.words.get(each, ())} - self.defaults.get(name, set())
        is_default = any(self.words.get(each, set()) & self.defaults.get(name, set()) for each in names)
        return "" if is_default else next((word for word in PRODUCTION if word in words), "")


def uses(tree: Tree, found: Found) -> Uses:
    """Read the files of the settings that were found."""
    assert found.settings is not None
    seen = Uses()
    paths = doctor_settings.read(tree.files, found.settings).files
    modules = [*(tree.files.modules[path] for path in paths), *typed.imported(tree.files, paths)]
    declared = typed.declared(modules)
    for each in declared:
        seen.reads.setdefault(each.variable, []).append((each.place, each.required, frozenset()))
        seen.fields[each.variable] = each.field
        seen.defaults.setdefault(each.variable, set()).add(each.default)
    seen.lists = {each.variable for each in declared if each.json}
    for module in modules:
        for name, words in choices(tree.files, module):
            for word in [each for each in settings_modules.PRODUCTION_WORDS if each in words][:1]:
                seen.chosen[name] = (
                    word,
                    f"of the files that {module.path} includes by it: {', '.join(words)}",
                )
        schema = _schema(module).items()
        seen.on |= {name for name, default in schema if default.lower() in ON}
        seen.true |= {name for name, default in schema if default.lower() == "true"}
        for statement, certain in _statements(module.tree.body, True):
            targets = _targets(statement)
            for part in ast.walk(statement):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                    seen.flows.setdefault(part.id, set()).update(targets - {part.id})
                for each in declared:
                    if isinstance(part, ast.Attribute) and part.attr == each.field:
                        seen.reads[each.variable].append((each.place, False, frozenset(targets)))
            for name, required, place in _reads(module, statement):
                seen.reads.setdefault(name, []).append((place, required and certain, frozenset(targets)))
            _forms(module, statement, seen)
    return seen


def _forms(module: Module, statement: ast.stmt, seen: Uses) -> None:
    """Note in SEEN what forms the variables have that STATEMENT reads."""

    def names(nodes: list[ast.expr]) -> set[str]:
        return {name for node in nodes for name, _, _ in _reads(module, node)}

    targets = _targets(statement)
    for node in ast.walk(statement):
        if isinstance(node, ast.JoinedStr):
            seen.parts |= names(node.values[1:])
        elif isinstance(node, ast.Tuple):
            seen.parts |= names(node.elts)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("int", "json.loads"):
            seen.numbers |= names(node.args)
        elif isinstance(node, ast.Call):
            defaults = [*node.args[1:2], *(each.value for each in node.keywords if each.arg == "default")]
            texts = {str(each.value) for each in defaults if isinstance(each, ast.Constant)}
            if any(text.lower() in ON for text in texts):
                seen.on |= names([node])
            if any(text.lower() == "true" for text in texts):
                seen.true |= names([node])
            for name in names([node]):
                seen.defaults.setdefault(name, set()).update(texts)
        if isinstance(node, ast.Compare):
            for name, words in _called_production(node, names([node])):
                seen.words.setdefault(name, set()).update(words)
            off = _off(node)
            seen.off.update(dict.fromkeys(names([node.left]) if off is not None else (), off or ""))
        if _turns(node):
            decides = node.test if isinstance(node, ast.IfExp) else node
            loaded = {each.id for each in ast.walk(decides) if isinstance(each, ast.Name)}
            sources = loaded | {name for name, _, _ in _reads(module, decides)}
            seen.turned |= {(source, target) for source in sources for target in targets}
    value: ast.expr | None = getattr(statement, "value", None)
    seen.bare |= names(list(_truths(module, value)))


def _called_production(node: ast.Compare, variables: set[str]) -> Iterator[tuple[str, set[str]]]:
    """(variable, name or field, the words for production that NODE compares it with). VARIABLES are read in NODE."""
    parts = list(ast.walk(node))
    words = {part.value for part in parts if isinstance(part, ast.Constant) and part.value in PRODUCTION}
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    for name in variables | names | {part.attr for part in parts if isinstance(part, ast.Attribute)}:
        yield name, words


def _compared(node: ast.Compare) -> list[str]:
    """The texts that NODE compares with."""
    return [
        str(each.value)
        for side in node.comparators
        for each in ast.walk(side)
        if isinstance(each, ast.Constant)
    ]


def _off(node: ast.Compare) -> str | None:
    """The text for which NODE, a comparison by `!=`, is false; None where it names no word for off."""
    if isinstance(node.ops[0], (ast.NotEq, ast.NotIn)):
        return next((word for word in _compared(node) if word.lower() in OFF), None)
    return None


def _turns(node: ast.AST) -> bool:
    """Whether NODE is true where what it is made of is off."""
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.NotEq, ast.NotIn)):
        return _off(node) is None
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.In)):
        return any(word.lower() in OFF for word in _compared(node))
    if isinstance(node, ast.IfExp):
        return isinstance(node.body, ast.Constant) and not node.body.value
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _truths(module: Module, node: ast.expr | None) -> Iterator[ast.expr]:
    """The texts of the environment in NODE that count as true unless they are empty."""
    parts: list[ast.expr] = []
    if isinstance(node, ast.BoolOp):
        parts = node.values
    elif isinstance(node, ast.IfExp):
        parts = [node.test, node.body, node.orelse]
    elif isinstance(node, ast.Call) and module.dotted(node.func) == "bool":
        parts = node.args
    elif isinstance(node, ast.Subscript) or (
        isinstance(node, ast.Call) and module.dotted(node.func) in ("os.environ.get", "os.getenv")
    ):
        yield node
    for part in parts:
        yield from _truths(module, part)


def find(
    tree: Tree, found: Found, domains: str, overlay: set[str], own_redis: bool = False
) -> list[Variable]:
    """What the settings read and the stack does not give by itself.

    OVERLAY names the parts that are off; with OWN_REDIS caches on Redis move to the application's own.
    """
    seen = uses(tree, found)
    parts = {**COVERED, **({"CACHES": "redis"} if own_redis else {})}
    given = LENT | {f"{name}_FILE" for name in LENT} | OTHERS | set(stack_settings.defaults())
    production = _values(tree, found.folder, PRODUCTION_FILES)
    other = _values(tree, found.folder, OTHER_FILES)
    switches = {
        name
        for name, reads in seen.reads.items()
        if SWITCH.search(name)
        and not seen.is_opposite(name)
        and (
            name in seen.true
            or ((name in seen.on or any(required for _, required, _ in reads)) and seen.reaches_debug(name))
        )
    }
    variables = []
    for name, reads in sorted(seen.reads.items()):
        if name in given or name.startswith("DJANGO_SUPERUSER_") or not NAME.fullmatch(name):
            continue
        place = next((each for each, required, _ in reads if required), reads[0][0])
        variable = Variable(name, place, any(required for _, required, _ in reads))
        leaves = {leaf for _, _, targets in reads for leaf in _leaves(targets, seen.flows)}
        # One that turns DEBUG off cannot be anything: the settings derive more from it.
        covered = not ("DEBUG" in leaves and seen.is_opposite(name)) and bool(leaves)
        covered = covered and all(parts.get(leaf, "") not in {"", *overlay} for leaf in leaves)
        first = {target for _, _, targets in reads for target in targets}
        unfilled = name in production and UNFILLED.fullmatch(production[name][0].strip()) is not None
        if name in production and not (covered and (unfilled or first & {"DATABASES"})):
            variable.value, variable.source = production[name]
            variable.unfilled = unfilled and variable.required
        elif first & seen.chosen.keys():
            variable.value, variable.source = seen.chosen[min(first & seen.chosen.keys())]
        elif word := seen.stage(name):
            variable.value, variable.source = word, "as the settings call production"
        elif (variable.required or switches) and "SECRET_KEY" in first and "secret_key" not in overlay:
            variable.value, variable.source = (
                secrets.token_urlsafe(48),
                "made here; the overlay sets SECRET_KEY to the stack's",
            )
        elif name in switches:
            usual = "" if name in seen.bare else "0" if name in seen.numbers else "False"
            variable.value = seen.off.get(name, usual)
            variable.source = "off, as in production"
        elif variable.required and first & FRONT_ENDS:
            is_part = name in seen.parts
            variable.value = stand_in(
                name, {"ALLOWED_HOSTS" if is_part else "CSRF_TRUSTED_ORIGINS"}, domains, is_part
            )
            variable.source = (
                "this site; name front ends on other origins here and in ALLOWED_ORIGINS of stack.env"
            )
            if name in seen.lists:
                variable.value = json.dumps(variable.value.split(","))
        # Settings that find development switched off may insist on what the overlay sets anyway.
        elif (variable.required or (switches and leaves <= {"ALLOWED_HOSTS"})) and covered:
            settings = ", ".join(sorted(leaves))
            variable.value, variable.source = (
                stand_in(name, leaves, domains, name in seen.parts),
                f"only has to be there: the overlay sets {settings}",
            )
            if name in seen.lists:
                variable.value = json.dumps(variable.value.split(","))
        elif name in other:
            variable.source = f"a value for development: {other[name][1]}"
        variables.append(variable)
    return variables


def stand_in(name: str, leaves: set[str], domains: str, is_part: bool = False) -> str:
    """A value for the variable NAME that is read into settings which the overlay replaces, of the kind that is wanted there.

    IS_PART: it is no address by itself, but a part of one.
    """
    database = "DATABASES" in leaves
    names = domains.split() or stack_settings.defaults()["DOMAINS"].split()
    is_address = name.endswith(("_URL", "_URI", "_DSN")) and not is_part
    if is_address and leaves <= {"ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS"}:
        return f"https://{names[0]}"
    if is_address:
        return "postgres://localhost/app" if database else "redis://localhost:6379/0"
    if "ENGINE" in name:
        return "django.db.backends.postgresql"
    if "PORT" in name:
        return "5432" if database else "6379"
    if "HOST" in name and not leaves & {"ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS"}:
        return "localhost"
    if leaves <= {"DEBUG"}:
        return "False"
    if leaves <= {"ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS"} and is_part:
        return names[0]
    if leaves <= {"ALLOWED_HOSTS"}:
        return ",".join(names)
    if leaves <= {"CSRF_TRUSTED_ORIGINS"}:
        return ",".join(f"https://{domain}" for domain in names)
    if leaves <= REDIS and not re.search(r"PASS|USER|PREFIX|_DB$|INDEX", name):
        return "localhost" if is_part else "redis://localhost:6379/0"
    return (
        "/srv/media"
        if leaves <= {"MEDIA_ROOT", "STATIC_ROOT"}
        else "0"
        if name.endswith(("_DB", "_INDEX")) and not database
        else "app"
    )


def _statements(body: list[ast.stmt], certain: bool) -> Iterator[tuple[ast.stmt, bool]]:
    """Each simple statement, and whether it runs in any case in production."""
    for node in body:
        if isinstance(node, ast.If):
            yield ast.Expr(node.test), certain
            off = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
            production = off and _is_development(node.test.operand)  # type: ignore[attr-defined]
            yield from _statements([] if _is_development(node.test) else node.body, certain and production)
            yield from _statements([] if production else node.orelse, certain and _is_development(node.test))
        elif isinstance(node, ast.Try):
            yield from _statements(
                [*node.body, *(each for handler in node.handlers for each in handler.body)], False
            )
            yield from _statements([*node.orelse, *node.finalbody], False)
        elif isinstance(node, (ast.With, ast.For, ast.While)):
            yield from _statements(node.body, certain)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node, certain
        elif isinstance(node, ast.ClassDef):
            yield from _statements(node.body, False)


def _is_development(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id in ("DEBUG", "TESTING", "TEST")


def _targets(statement: ast.stmt) -> set[str]:
    """The names that STATEMENT assigns, or changes a part of."""
    nodes = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        nodes = [statement.target]
    names = set()
    for node in nodes:
        while isinstance(node, (ast.Subscript, ast.Attribute)):
            node = node.value
        names |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return names


def _reached(targets: set[str], flows: dict[str, set[str]]) -> set[str]:
    """TARGETS, and all names that are computed from them."""
    waiting, reached = list(targets), set(targets)
    while waiting:
        further = flows.get(waiting.pop(), set()) - reached
        waiting += further
        reached |= further
    return reached


def _leaves(targets: frozenset[str], flows: dict[str, set[str]]) -> set[str]:
    """The names at the end of all ways from TARGETS."""
    waiting, seen, leaves = list(targets), set(targets), set()
    while waiting:
        name = waiting.pop()
        further = flows.get(name, set())
        # What decides on DEBUG decides on many a setting, and the overlay on DEBUG.
        if name in COVERED or not further:
            leaves.add(name)
            continue
        waiting += further - seen
        seen |= further
    return leaves


def _reads(module: Module, statement: ast.AST) -> Iterator[tuple[str, bool, str]]:
    """(variable, whether it must be there, file:line) for each that STATEMENT reads."""
    schema = _schema(module)
    own = _own_readers(module)
    for node in ast.walk(statement):
        place = str(module.place(node))
        if isinstance(node, ast.Subscript) and module.dotted(node.value) == "os.environ":
            name = _text(node.slice)
            if name and isinstance(node.ctx, ast.Load):
                yield name, True, place
        if not isinstance(node, ast.Call):
            continue
        dotted = module.dotted(node.func).lstrip(".")
        if dotted in ("os.environ.get", "os.getenv", "os.environ.setdefault", "os.environ.pop"):
            if name := _text(node.args[0] if node.args else None):
                yield name, False, place
            continue
        if dotted in own:
            if (name := _text(node.args[0] if node.args else None)) and VARIABLE.fullmatch(name):
                yield name, own[dotted] and len(node.args) + len(node.keywords) == 1, place
            continue
        holder = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        if not isinstance(holder, ast.Name) or holder.id.lower() not in READERS:
            continue
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        keywords = {keyword.arg for keyword in node.keywords}
        name = _text(node.args[0] if node.args else None) or (
            IMPLIED.get(method, "") if not node.args else ""
        )
        if name and VARIABLE.fullmatch(name):
            has_default = "default" in keywords or any(not isinstance(arg, ast.Name) for arg in node.args[1:])
            yield name, not has_default and name not in schema and method != "get", place


def _own_readers(module: Module) -> dict[str, bool]:
    """Functions of the module that read the variable which their first parameter names -> whether it must be there."""
    found = {}
    for function in module.tree.body:
        if not isinstance(function, ast.FunctionDef) or not function.args.args:
            continue
        first, optional = function.args.args[0].arg, False
        reads = False
        for node in ast.walk(function):
            if isinstance(node, ast.Subscript):
                names, is_get = [node.slice] * (module.dotted(node.value) == "os.environ"), False
            elif isinstance(node, ast.Call):
                is_get = module.dotted(node.func) in ("os.environ.get", "os.getenv")
                names = node.args[:1] if is_get else []
            else:
                continue
            if any(isinstance(name, ast.Name) and name.id == first for name in names):
                reads, optional = True, optional or is_get
        if reads:
            found[function.name] = not optional
    return found


def _schema(module: Module) -> dict[str, str]:
    """The variables to which ``environ.Env(DEBUG=(bool, False))`` gives a default, and that as a text, "" for no constant."""
    return {
        keyword.arg: str(getattr(keyword.value.elts[-1], "value", ""))
        for node in module.nodes
        if isinstance(node, ast.Call)
        and module.dotted(node.func).rpartition(".")[2] in ("Env", "FileAwareEnv")
        for keyword in node.keywords
        if keyword.arg and isinstance(keyword.value, ast.Tuple) and keyword.value.elts
    }


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _values(tree: Tree, folder: str, patterns: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Variable -> (value, file:line) of the environment files of the project."""
    values: dict[str, tuple[str, str]] = {}
    for home in dict.fromkeys([folder, ""]):
        for pattern in patterns:
            for path in sorted((tree.root / home).glob(pattern)):
                name = str(path.relative_to(tree.root))
                for number, line in enumerate(tree.text(name).splitlines() if path.is_file() else [], 1):
                    match = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$", line)
                    if match:
                        value = match[2]
                        if value[:1] in ("'", '"') and value[:1] == value[-1:] and len(value) > 1:
                            value = value[1:-1]
                        values.setdefault(match[1], (value, f"{name}:{number}"))
    return values


def text(variables: list[Variable], existing: str, quoted: dict[str, str]) -> tuple[str, list[Variable]]:
    """EXISTING, the content of app.env, with a line for each of VARIABLES that it does not name yet, and which those are."""
    known = set(re.findall(r"^\s*#?\s*([A-Za-z_]\w*)\s*=", existing, re.M))
    new = [variable for variable in variables if variable.name not in known]
    lines = [existing if not existing or existing.endswith("\n") else f"{existing}\n"]
    for each in new:
        need = "required" if each.required else "has a default"
        why = f"{each.place}, {need}" + (f"; {each.source}" if each.source else "")
        lines.append(f"# {printable(why, lines=False)}\n")
        lines.append(f"{each.name}={quoted[each.name]}\n" if each.value is not None else f"#{each.name}=\n")
    return "".join(lines), new
