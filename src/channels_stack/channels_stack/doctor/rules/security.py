"""Who may open a socket, and what must not be in the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from urllib.parse import urlsplit

from ..files import Module
from ..findings import SETTINGS, Found, rule
from ..project import Project, keys
from ..settings import Settings
from ..values import Constant, Items, Unknown, Value, constant, is_certain, text, texts

ALLOWED_HOSTS_VALIDATOR = "channels.security.websocket.AllowedHostsOriginValidator"
ORIGIN_VALIDATOR = "channels.security.websocket.OriginValidator"
SHORTEST_SECRET_KEY = 50  # characters; the bound of Django's security.W009
MAKES_A_KEY = (
    "get_random_secret_key",
    "get_random_string",
    "token_hex",
    "token_urlsafe",
    "token_bytes",
    "urandom",
    "uuid4",
    "uuid1",
    "choice",
    "choices",
)
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1", "[::1]")


@rule("E501")
def no_origin_check(project: Project) -> Found:
    """No Origin check on websockets

    In production: any page that a signed-in user visits opens sockets in that user's name, cookies included, and reads
    what comes (cross-site websocket hijacking). Browsers do not prevent it, and neither Channels nor Django does.

    Instead: wrap everything behind "websocket".
        from channels.security.websocket import OriginValidator
        "websocket": OriginValidator(AuthMiddlewareStack(URLRouter(routes)), ["https://example.org"])
    """
    if _checks_by_itself(project):
        return
    for _, _, literal in project.routers:
        application = keys(literal[1]).get("websocket") if literal else None
        if literal and application is not None and not _has_validator(project, literal[0], application, 0):
            yield literal[0].place(application), 'no OriginValidator wraps "websocket"'


def _has_validator(project: Project, module: Module, node: ast.AST, depth: int) -> bool:
    """Whether an expression, or what its names stand for, has to do with origins."""
    for part in ast.walk(node):
        if not isinstance(part, (ast.Name, ast.Attribute)):
            continue
        dotted = module.dotted(part)
        if "origin" in dotted.rpartition(".")[2].lower():
            return True
        found = project.definition(module, part)
        if (
            found
            and found[1] is not node
            and depth < 6
            and _has_validator(project, found[0], found[1], depth + 1)
        ):
            return True
    return False


def _checks_by_itself(project: Project) -> bool:
    return any(
        isinstance(node, ast.Constant) and node.value in (b"origin", "HTTP_ORIGIN")
        for module in project.modules
        for node in module.nodes
    )


@rule("E502")
def any_origin(project: Project) -> Found:
    """An Origin check that admits every page

    In production: any page that a signed-in user visits opens sockets in that user's name, cookies included, and reads
    what comes (cross-site websocket hijacking).

    Instead: name the origins.
        OriginValidator(AuthMiddlewareStack(URLRouter(routes)), ["https://example.org"])
    """
    for module, call in project.calls(ORIGIN_VALIDATOR):
        for origin, node in _origins(project, module, call):
            if origin in ("*", "https://*", "http://*"):
                yield module.place(node), f"OriginValidator admits {origin!r}"
    hosts_count = next(project.calls(ALLOWED_HOSTS_VALIDATOR), None)
    for settings in project.settings if hosts_count else ():
        for host, value in texts(settings["ALLOWED_HOSTS"]):
            if host == "*" and is_certain(value) and is_certain(settings["ALLOWED_HOSTS"]):
                yield value.at, "AllowedHostsOriginValidator goes by ALLOWED_HOSTS, which admits '*'"


@rule("W503")
def weak_origin(project: Project) -> Found:
    """An origin without https

    In production: whoever can change an unencrypted page, in a café's network say, opens sockets in the name of your
    users. An origin without a scheme admits http:// and every port too.

    Instead: write the whole origin.
        "https://example.org"
    """
    for module, call in project.calls(ORIGIN_VALIDATOR):
        for origin, node in _origins(project, module, call):
            try:
                parts = urlsplit(origin)
                host = parts.hostname if parts.scheme and "://" in origin else origin
            except ValueError:
                continue
            if (
                origin.startswith("*")
                or (host or "").partition(":")[0] in LOCAL_NAMES
                or parts.scheme == "https"
            ):
                continue
            what = "plain http" if parts.scheme == "http" and "://" in origin else "any scheme"
            yield module.place(node), f"OriginValidator admits {origin!r}: {what}"


def _origins(project: Project, module: Module, call: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    """The literal origins that are given to a validator."""
    given: ast.AST | None = call.args[1] if len(call.args) > 1 else None
    for keyword in call.keywords:
        given = keyword.value if keyword.arg == "allowed_origins" else given
    if isinstance(given, (ast.Name, ast.Attribute)):
        found = project.definition(module, given)
        given = found[1] if found and found[0] is module else None
    for element in given.elts if isinstance(given, (ast.List, ast.Tuple, ast.Set)) else ():
        if isinstance(element, ast.Constant) and isinstance(element.value, str):
            yield element.value, element


@rule("E504", SETTINGS, deploy=True)
def weak_secret_key(project: Project) -> Found:
    """A SECRET_KEY that can be guessed

    In production: whoever knows the key signs sessions, and so is any user.

    Instead: take 50 or more random characters from the environment.
        SECRET_KEY = os.environ["SECRET_KEY"]
    """
    for settings in project.settings:
        value, key = settings["SECRET_KEY"], text(settings["SECRET_KEY"])
        if value is not None and key is not None and is_certain(value) and _is_weak(key):
            yield value.at, f"SECRET_KEY {_is_weak(key)}"


def _is_weak(key: str) -> str:
    if key.startswith("django-insecure-"):
        return "is the one that `startproject` made for development"
    if len(key) < SHORTEST_SECRET_KEY or len(set(key)) < 5:
        return "is too short or too uniform to be secret"
    return ""


@rule("W505", SETTINGS, deploy=True)
def secret_key_in_source(project: Project) -> Found:
    """A SECRET_KEY that is in the sources

    In production: whoever reads the sources or an image signs sessions, and so is any user. A default is used without a
    word wherever the variable was forgotten.

    Instead: take it from the environment, without a default.
        SECRET_KEY = os.environ["SECRET_KEY"]
    """
    for settings in project.settings:
        value, key = settings["SECRET_KEY"], text(settings["SECRET_KEY"])
        if settings.imported or value is None or not key:
            continue
        if value.variables:
            yield value.at, "SECRET_KEY has a default that is in the sources"
        elif not _is_weak(key):
            yield value.at, "SECRET_KEY is in the sources"


@rule("E506", SETTINGS, deploy=True)
def secret_key_made_at_import(project: Project) -> Found:
    """A SECRET_KEY made at import

    In production: every process has a key of its own. A session that one has signed is refused by the next: users are
    signed out at random, and all of them at every restart.

    Instead: make the key once and take it from the environment.
        SECRET_KEY = os.environ["SECRET_KEY"]
    """
    for settings in project.settings:
        value = settings["SECRET_KEY"]
        made = _maker(value)
        if value is not None and made:
            yield value.at, f"SECRET_KEY is made by {made}()"


def _maker(value: Value | None) -> str:
    """The function that makes a random value; "" when none does."""
    if not isinstance(value, Unknown):
        return ""
    name = value.call.rpartition(".")[2]
    if name in MAKES_A_KEY:
        return name
    parts = [*value.arguments, *value.keywords.values()]
    return next((made for made in map(_maker, parts) if made), "")


@rule("E507", SETTINGS, deploy=True)
def debug(project: Project) -> Found:
    """DEBUG is on

    In production: every error page shows sources, settings and variables to strangers, and each process keeps every SQL
    query it ever made: its memory grows until it is killed.

    Instead: keep it off unless the environment asks for it.
        DEBUG = os.environ.get("DEBUG") == "1"
    """
    for settings in project.settings:
        value = settings["DEBUG"]
        if constant(value) is True and is_certain(value):
            yield value.at, "DEBUG is True"  # type: ignore[union-attr]


@rule("W508", SETTINGS, deploy=True)
def debug_by_default(project: Project) -> Found:
    """DEBUG is on unless the environment says otherwise

    In production: wherever the variable was forgotten or misspelled, error pages show sources and settings to strangers.

    Instead: turn it round.
        DEBUG = os.environ.get("DEBUG") == "1"
    """
    for settings in project.settings:
        value = settings["DEBUG"]
        if isinstance(value, Constant) and value.variables and value.value:
            yield value.at, f"DEBUG is on without {', '.join(sorted(value.variables))}"


@rule("E509", SETTINGS, deploy=True)
def no_hosts(project: Project) -> Found:
    """ALLOWED_HOSTS is empty

    In production: every page is an error 400 (DisallowedHost), and AllowedHostsOriginValidator refuses every socket.

    Instead: name the hosts, from the environment.
        ALLOWED_HOSTS = os.environ["DOMAINS"].split()
    """
    for settings in project.settings:
        value = settings["ALLOWED_HOSTS"]
        if settings.debug:
            continue
        if settings.lacks("ALLOWED_HOSTS"):
            yield settings.place, "ALLOWED_HOSTS is not set"
        elif isinstance(value, Items) and value.complete and not value.items and not value.variables:
            yield value.at, "ALLOWED_HOSTS is empty"


@rule("W510", SETTINGS, deploy=True)
def any_host(project: Project) -> Found:
    """ALLOWED_HOSTS admits every name

    In production: a forged Host header gets into links, of password mails for example, and into caches. The Origin check
    by ALLOWED_HOSTS checks nothing.

    Instead: name the hosts, from the environment.
        ALLOWED_HOSTS = os.environ["DOMAINS"].split()
    """
    for settings in project.settings:
        found = settings["ALLOWED_HOSTS"]
        for host, value in texts(found):
            if host == "*" and is_certain(value) and is_certain(found) and not settings.debug:
                yield value.at, "ALLOWED_HOSTS admits '*'"


@rule("E511", SETTINGS, deploy=True)
def no_static_root(project: Project) -> Found:
    """STATIC_ROOT is missing

    In production: `collectstatic` raises ImproperlyConfigured and ends the release; pages have neither style nor script.

    Instead: name the folder that the stack serves.
        STATIC_ROOT = os.environ.get("STATIC_ROOT", "/srv/static")
    """
    for settings in project.settings:
        apps = dict(texts(settings["INSTALLED_APPS"]))
        empty = isinstance(settings["STATIC_ROOT"], Constant) and not constant(settings["STATIC_ROOT"])
        missing = settings.lacks("STATIC_ROOT") or empty
        if "django.contrib.staticfiles" in apps and missing and not _stores_elsewhere(settings):
            yield settings.place, "STATIC_ROOT is not set"


def _stores_elsewhere(settings: Settings) -> bool:
    """Whether static files go to another storage, such as S3."""
    backend = text(settings.get("STORAGES", "staticfiles", "BACKEND")) or text(
        settings["STATICFILES_STORAGE"]
    )
    known = ("django.contrib.staticfiles.", "whitenoise.", "servestatic.")
    return backend is not None and not backend.startswith(known)


@rule("W512", SETTINGS)
def key_rotation(project: Project) -> Found:
    """SECRET_KEY_FALLBACKS, which sockets ignore

    In production: after a rotation of SECRET_KEY the first websocket of a user deletes the session that pages still
    accept: every user is signed out. channels.auth knows only the current key.

    Instead: serve it with `channels-stack serve`, which patches channels.auth; then this is no problem. Elsewhere use a
    middleware of your own that also tries user.get_session_auth_fallback_hash(), in place of AuthMiddlewareStack.
    """
    stock = next(project.calls("channels.auth.AuthMiddlewareStack", "channels.auth.AuthMiddleware"), None)
    for settings in project.settings if stock else ():
        value = settings["SECRET_KEY_FALLBACKS"]
        used = not isinstance(value, Items) or value.items
        if stock and value is not None and used:
            yield stock[0].place(stock[1]), "SECRET_KEY_FALLBACKS is set, and websockets use channels.auth"


@rule("E513")
def joins_before_authentication(project: Project) -> Found:
    """A group is joined before the user is known

    In production: a stranger's socket is a member of the group until it is refused. It gets what is sent meanwhile, and
    stays a member permanently where disconnect() is not run.

    Instead: decide first.
        if not self.scope["user"].is_authenticated:
            return await self.close()
        await self.channel_layer.group_add(group, self.channel_name)
    """
    for module, node in project.consumers:
        for function in ast.walk(node):
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if function.name not in ("connect", "websocket_connect"):
                continue
            joins = [
                part
                for part in ast.walk(function)
                if isinstance(part, ast.Attribute) and part.attr == "group_add"
            ]
            decides = [
                part.lineno
                for part in ast.walk(function)
                if isinstance(part, ast.Attribute) and part.attr in ("is_authenticated", "is_anonymous")
            ] + [
                part.lineno
                for part in ast.walk(function)
                if isinstance(part, ast.Name) and part.id == "AnonymousUser"
            ]
            if joins and decides and min(join.lineno for join in joins) < min(decides):
                first = min(joins, key=lambda join: join.lineno)
                yield (
                    module.place(first),
                    f"{node.name} joins a group, and looks at the user in line {min(decides)}",
                )


TOKENS = {
    "token",
    "access_token",
    "access",
    "jwt",
    "auth",
    "auth_token",
    "bearer",
    "api_key",
    "apikey",
    "key",
}
"""Names of what signs a client in; a `ticket` is the right way."""


@rule("W519")
def token_in_the_address(project: Project) -> Found:
    """A socket's token is in its address

    In production: this stack logs no query string, but other proxies in front, tools that report errors and browsers do
    keep addresses, and whoever reads them is signed in until the token expires.

    Instead: the session's cookie (AuthMiddlewareStack), a first message with the token, or a ticket that is valid for
    seconds and once.
        {"type": "sign-in", "token": "..."}   # close the socket where it does not come within 10 s
    """
    for module in project.modules:
        if "query_string" not in module.text:
            continue
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        for function in (node for node in module.nodes if isinstance(node, functions)):
            if not any(
                isinstance(node, ast.Constant) and node.value == "query_string" for node in ast.walk(function)
            ):
                continue
            read = next((node for node in ast.walk(function) if _asks_for(node, TOKENS)), None)
            if read is not None:
                yield module.place(read), f"{function.name}() takes a token from the query string"


def _asks_for(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression takes one of NAMES from a mapping."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        key: ast.AST | None = node.slice
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("get", "pop")
    ):
        key = node.args[0] if node.args else None
    else:
        return False
    word = key.value if isinstance(key, ast.Constant) else None
    return (word.decode() if isinstance(word, bytes) else word) in names
