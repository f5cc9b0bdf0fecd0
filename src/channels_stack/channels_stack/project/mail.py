"""The part `mail`: where the project's mails go.

EMAIL_URL (or EMAIL_HOST and the variables that Django names after it) says which server takes them. Without one, what
a project has for development (mails on the console, in memory, in files, to a server in this container) would print
password links into the log or answer 500: such mails are dropped, and a line of the log says so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from ..config.app_redis import LOCAL
from ..config.environment import ConfigurationError, Environment, Problem, before_settings
from ..config.settings import Settings
from .override import Found, Override, Project

log = logging.getLogger("channels_stack.mail")

SMTP = "django.core.mail.backends.smtp.EmailBackend"
NONE = "channels_stack.project.mail.NoServer"
DEVELOPMENT = tuple(
    f"django.core.mail.backends.{kind}.EmailBackend" for kind in ("console", "dummy", "filebased", "locmem")
)
OURS = (SMTP, NONE, *DEVELOPMENT)
"""Backends that this part may exchange; any other (a provider's, a queue's) is the project's own choice, and stays."""

SCHEMES = {"smtp": (25, {}), "smtp+tls": (587, {"use_tls": True}), "smtp+ssl": (465, {"use_ssl": True})}
"""Scheme of EMAIL_URL -> port, and how the connection is encrypted: never, by STARTTLS, from the first byte."""

TIMEOUT_SECONDS = 10
"""For a mail server that does not answer: a page waits for it."""

NAMES = {
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
    "timeout": "EMAIL_TIMEOUT",
}
"""An option of a mailer -> the setting that says the same before MAILERS (Django 6.1)."""

FIX = "EMAIL_URL=smtp+tls://user:password@mail.example.org in app.env names a server"


def find(project: Project, settings: Settings) -> Found:
    """What this part sets over ``project``. Raises ConfigurationError for an EMAIL_URL that is none."""
    server = _server(Environment(before_settings()))
    own = _mailers(project)
    lost = [alias for alias, mailer in own.items() if _is_exchanged(mailer, server)]
    if lost:
        wanted = {"BACKEND": SMTP, "OPTIONS": server} if server else {"BACKEND": NONE}
        where = f"mails go to {server['host']}" if server else f"mails are dropped, {FIX}"
        why = f"{where}; {', '.join(f'{alias!r} was {_described(own[alias])}' for alias in lost)}"
        if "MAILERS" in project:
            yield Override("MAILERS", {**own, **dict.fromkeys(lost, wanted)}, why)
        else:
            yield Override("EMAIL_BACKEND", wanted["BACKEND"], why)
            for option, value in server.items():
                if project.get(NAMES[option]) != value:
                    yield Override(NAMES[option], value, "the mail server that EMAIL_URL or EMAIL_HOST names")
    for name in ("DEFAULT_FROM_EMAIL", "SERVER_EMAIL"):
        sender = Environment(before_settings()).text(name, "-")
        if sender != "-" and project.get(name) != sender:
            yield Override(name, sender, f"the variable {name}")


def risks(project: Project) -> list[str]:
    """One line for each thing about mails that stays as it is and will not do."""
    if not _server(Environment(before_settings())):
        return []
    return [
        f"EMAIL_URL has no effect on the mailer {alias!r}: the project's own backend {mailer['BACKEND']} stays"
        for alias, mailer in _mailers(project).items()
        if mailer["BACKEND"] not in OURS
    ]


def _server(env: Environment) -> dict[str, Any]:
    """Options of the mail server that the environment names; empty where it names none."""
    url = env.secret("EMAIL_URL", "").strip()
    if url:
        return _options(url)
    options: dict[str, Any] = {"host": env.environ.get("EMAIL_HOST", "").strip()}
    if options["host"] in LOCAL:
        return {}
    options["use_tls"] = env.boolean("EMAIL_USE_TLS", False)
    options["use_ssl"] = env.boolean("EMAIL_USE_SSL", False)
    usual = 465 if options["use_ssl"] else 587 if options["use_tls"] else 25
    options["port"] = env.integer(
        "EMAIL_PORT", usual, minimum=1, maximum=65535, purpose="the mail server's port"
    )
    options["username"] = env.secret("EMAIL_HOST_USER", "")
    options["password"] = env.secret("EMAIL_HOST_PASSWORD", "")
    env.check()
    return {**options, "timeout": TIMEOUT_SECONDS}


def _options(url: str) -> dict[str, Any]:
    purpose, example = (
        "the server that takes the application's mails",
        "smtp+tls://user:password@mail.example.org:587",
    )
    try:
        parts = urlsplit(url)
        port, encryption = SCHEMES["smtp+ssl" if parts.scheme == "smtps" else parts.scheme]
        port = parts.port or port
        host = parts.hostname or ""
    except (KeyError, ValueError):
        host = ""
    if not host:
        wrong = f"is no URL of a mail server; it has one of the schemes {', '.join(SCHEMES)}, and a host"
        raise ConfigurationError([Problem("EMAIL_URL", wrong, purpose, example)])
    return {
        "host": host,
        "port": port,
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "use_tls": False,
        "use_ssl": False,
        **encryption,
        "timeout": TIMEOUT_SECONDS,
    }


def _mailers(project: Project) -> dict[str, dict[str, Any]]:
    """The project's mailers in the form of MAILERS, which are one `default` of EMAIL_BACKEND and EMAIL_HOST before it."""
    if "MAILERS" in project:
        return {
            alias: {"BACKEND": SMTP, **(mailer or {})} for alias, mailer in (project["MAILERS"] or {}).items()
        }
    options = {option: project[name] for option, name in NAMES.items() if name in project}
    return {"default": {"BACKEND": project.get("EMAIL_BACKEND") or SMTP, "OPTIONS": options}}


def _is_exchanged(mailer: Mapping[str, Any], server: Mapping[str, Any]) -> bool:
    if mailer["BACKEND"] not in OURS:
        return False
    if mailer["BACKEND"] != SMTP:
        return mailer["BACKEND"] != NONE or bool(server)
    # A project that reads the variables itself has the same server, perhaps with options of its own.
    host = _host(mailer)
    return host != server["host"] if server else host in LOCAL


def _host(mailer: Mapping[str, Any]) -> str:
    return str((mailer.get("OPTIONS") or {}).get("host") or "localhost")


def _described(mailer: Mapping[str, Any]) -> str:
    if mailer["BACKEND"] == SMTP:
        host = _host(mailer)
        return f"{host}, the container itself" if host in LOCAL else host
    return f"{mailer['BACKEND'].split('.')[-2]}, for development"


class NoServer:
    """A mail backend that drops every mail: the first one of a process is a warning in its log.

    ``send_messages`` answers 0, as Django's backends do for what was not sent.
    """

    _logged = False

    def __init__(self, *_: Any, **options: Any) -> None:
        self.alias = options.get("alias")

    def open(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def __enter__(self) -> NoServer:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send_messages(self, messages: Sequence[Any]) -> int:
        if messages and not NoServer._logged:
            NoServer._logged = True
            log.warning("a mail was not sent, and none will be: there is no mail server; %s", FIX)
        return 0
