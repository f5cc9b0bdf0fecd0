"""What a project keeps in one process, or sends nowhere, because nothing was chosen for production."""

from __future__ import annotations

from ..findings import SETTINGS, Found, rule
from ..project import Project
from ..settings import Settings
from ..values import Items, Mapping, Value, get, is_certain, is_complete, text, texts

BACKENDS = "django.core.cache.backends."
LOCAL_CACHES = (f"{BACKENDS}locmem.LocMemCache", f"{BACKENDS}dummy.DummyCache")
SESSIONS = "django.contrib.sessions.backends."
MAIL = "django.core.mail.backends."
DEVELOPMENT_MAIL = tuple(f"{MAIL}{kind}.EmailBackend" for kind in ("console", "dummy", "filebased", "locmem"))


@rule("W515", SETTINGS, deploy=True)
def development_mail(project: Project) -> Found:
    """Mails that are never delivered

    In production: mails are printed, kept in memory or thrown away, password links among them. Django 6.1 makes it an error
    of `check --deploy` (mail.E001) where MAILERS says it, as `startproject` writes it.

    Instead: name a server; with this stack EMAIL_URL in app.env does, and the backend stays as it is for development.
        EMAIL_URL=smtp+tls://user:password@mail.example.org
    """
    for settings in project.settings:
        mailers = settings["MAILERS"]
        own = mailers.items if isinstance(mailers, Mapping) else {}
        chosen = [(f"MAILERS[{alias!r}]", get(mailer, "BACKEND")) for alias, mailer in own.items()]
        for name, backend in [*chosen, ("EMAIL_BACKEND", settings["EMAIL_BACKEND"])]:
            if backend is not None and is_certain(backend) and text(backend) in DEVELOPMENT_MAIL:
                yield backend.at, f"{name} is {text(backend)}"


@rule("E516", SETTINGS, deploy=True)
def local_sessions(project: Project) -> Found:
    """Sessions in one process

    In production: a session is known to the process (or container) that made it: users are signed in on one request and
    signed out on the next.

    Instead: keep them in the database, with a shared cache in front of it if there is one. (This stack moves them there.)
        SESSION_ENGINE = "django.contrib.sessions.backends.db"
    """
    for settings in project.settings:
        engine = settings["SESSION_ENGINE"]
        if engine is None or not is_certain(engine):
            continue
        alias = text(settings["SESSION_CACHE_ALIAS"]) or "default"
        if text(engine) == f"{SESSIONS}cache" and _is_local(settings, alias):
            yield engine.at, f"SESSION_ENGINE is the cache {alias!r}, which is in the memory of each process"
        elif text(engine) == f"{SESSIONS}file":
            yield engine.at, "SESSION_ENGINE keeps files, which are in one container"


@rule("W517", SETTINGS, deploy=True)
def local_counts(project: Project) -> Found:
    """Limits that each process counts by itself

    In production: a limit of 100 is one of 100 for each process, and is forgotten with it: whoever guesses passwords has as
    many tries as there are processes.

    Instead: give the default cache a server that all share; with this stack APP_REDIS=cache in stack.env starts one.
        CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": os.environ["CACHE_URL"]}}
    """
    for settings in project.settings:
        if not _is_local(settings, "default"):
            continue
        throttles = settings.get("REST_FRAMEWORK", "DEFAULT_THROTTLE_CLASSES")
        if isinstance(throttles, Items) and throttles.items:
            yield (
                throttles.at,
                "the throttles of REST_FRAMEWORK count in the default cache, one in each process",
            )
        handler = settings["AXES_HANDLER"]
        if (text(handler) or "").endswith("CacheHandler"):
            yield handler.at, "AXES_HANDLER counts in the default cache, one in each process"  # type: ignore[union-attr]
        for name, app in texts(settings["INSTALLED_APPS"]):
            if name in ("django_ratelimit", "ratelimit"):
                yield app.at, f"{name} counts in the default cache, one in each process"


def _is_local(settings: Settings, alias: str) -> bool:
    """Whether a cache is certainly one of Django's that live in the process."""
    caches: Value | None = settings["CACHES"]
    if caches is None:
        return settings.lacks("CACHES")  # Django's default is LocMemCache
    backend = get(caches, alias, "BACKEND")
    if backend is None:
        return is_complete(caches) and get(caches, alias) is None
    return is_certain(backend) and text(backend) in LOCAL_CACHES
