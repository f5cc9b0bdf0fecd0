"""gunicorn over uvicorn: a master that replaces worker processes which are stuck, grown or gone.

Each worker drains by itself, as uvicorn does alone. The master only passes SIGTERM on and waits; a worker
goes on accepting during the notice, because it holds the listening socket too. What a worker was ended by force for
is the master's exit code too.

No process ends for its number of requests (gunicorn's max_requests): it would stop before its replacement has
started, cut the streams it serves, and probes count as requests. One that grows is ended by the memory limit of
its container; the leak must be fixed in the application. SIGHUP replaces all: new ones first, then the old ones drain.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import math
import mmap
import os
import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import make_settings
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from uvicorn_worker import UvicornWorker

from ..config import addresses
from ..config.environment import ConfigurationError
from ..config.settings import Settings
from ..lifecycle.drain import FORCED
from ..observability import metrics
from . import BACKLOG, application, known, uvicorn

REFUSED = 78
SHARED = ("django.core.handlers.asgi", "django.db.models", "django.db.backends.postgresql.base")
"""What every worker imports anyway, without a setting or a line of the project: two workers take 113 MiB instead of 120."""
KILL_MARGIN = (
    1  # seconds after STOP_SECONDS, when a worker has long ended itself, until the master would kill it
)


def serve(settings: Settings, service: str, port: int) -> int:
    """Serve until a signal ends it; the exit code."""
    Worker.settings, Worker.service = settings, service
    Worker.CONFIG_KWARGS = uvicorn.config_options(settings, service)
    Worker.forced, Worker.reloads = mmap.mmap(-1, 1), mmap.mmap(-1, 1)
    master = os.getpid()
    _share_memory()
    try:
        Master(known("gunicorn", _options(settings, service, port), make_settings())).run()
    except (SystemExit, HaltServer) as end:
        if os.getpid() != master:
            raise  # a worker ends: gunicorn reads its exit code
        status = end.exit_status if isinstance(end, HaltServer) else end.code
        if status not in (0, None):
            return REFUSED if status == Arbiter.APP_LOAD_ERROR else 1
    return Worker.forced[0]


def _share_memory() -> None:
    """Let workers have what is loaded by now in common: a fork copies a page of memory when it is written to.

    The collector writes to all that it looks at; what is frozen it passes over. The project itself is loaded by each worker:
    threads and connections that it opens would not survive a fork.
    """
    for module in SHARED:
        with contextlib.suppress(ImportError, ImproperlyConfigured):  # an application without PostgreSQL
            importlib.import_module(module)
    gc.collect()
    gc.freeze()


def _options(settings: Settings, service: str, port: int) -> dict[str, Any]:
    return {
        "bind": [f"{host}:{port}" for host in addresses.to_listen_on()],
        "backlog": BACKLOG,
        # A socket process stays alone in its container: sockets are scaled by replicas.
        "workers": settings.http_processes if service == "http" else 1,
        "worker_class": f"{__name__}.Worker",  # gunicorn below 22 takes no class, but its name
        "graceful_timeout": math.ceil(settings.stop_seconds) + KILL_MARGIN,
        "logger_class": PlainLogger,
        "loglevel": settings.log_level,
        # The heartbeat files belong into memory: a slow disk must not look like a stuck worker.
        "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,
        "child_exit": _forget,
        "on_reload": _count_reload,
        # It wants a home folder to write to. Older releases have none.
        **({"control_socket_disable": True} if "control_socket_disable" in make_settings() else {}),
    }


def _forget(_arbiter: Arbiter, worker: Worker) -> None:
    metrics.child_exit(worker.pid)


def _count_reload(_arbiter: Arbiter) -> None:
    """SIGHUP: who was there before is replaced, and its readiness is no longer that of the container."""
    Worker.reloads[0] = (Worker.reloads[0] + 1) % 256


class Master(BaseApplication):
    """gunicorn, configured by ``options`` alone: no file, no command line, no environment."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)


class PlainLogger(Logger):
    """Leaves handlers and form to ``logs.configure``."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
            logger.propagate = True


class Worker(UvicornWorker):
    """One process of uvicorn with our server in it."""

    settings: Settings
    service: str
    forced: mmap.mmap
    """A byte that the master shares with its workers: 1 as soon as one of them was ended by force."""
    reloads: mmap.mmap
    """Another: how often the master has replaced all of them, modulo 256."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name in ("uvicorn.error", "uvicorn.access"):
            logging.getLogger(name).propagate = True

    def load_wsgi(self) -> None:
        try:
            self.wsgi = application.build(self.settings, self.service, "gunicorn")
            born = self.reloads[0]
            self.wsgi.drain.on_force = self._tell_master
            self.wsgi.drain.is_replaced = lambda: self.reloads[0] != born
        except ConfigurationError as error:
            if self.age == 1:  # its siblings would only say it again
                for problem in error.problems:
                    print(f"channels-stack: {problem}", file=sys.stderr)
            sys.exit(Arbiter.APP_LOAD_ERROR)

    def _tell_master(self) -> None:
        self.forced[0] = FORCED

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        server = uvicorn.Server(self.config, self.wsgi)
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
