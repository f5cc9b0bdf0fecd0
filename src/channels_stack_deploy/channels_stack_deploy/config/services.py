"""The one table of services: what runs, from which image, of which kind, on which nodes.

Compose files define them; `tests/unit/stack/test_services.py` compares each with its row. Services of APP_COMMANDS have no row:
they run the application's image like `worker`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a service is for, and so how a release treats it."""

    EDGE = "edge"
    APPLICATION = "application"
    """Runs the application all the time."""
    JOB = "job"
    """Runs the application's image once for each release."""
    TRIAL = "trial"
    """One task of a new release, tried before anything is replaced: on servers, and on one machine by a share of the visitors."""
    DATA = "data"
    SUPPORT = "support"
    """Runs alongside and is reached by no visitor."""


ANY = "any"


@dataclass(frozen=True)
class Service:
    """One row: `image` is the variable that names its image.

    `label` is that of the nodes that may run it, ANY where each may, "" where servers do not have the service; `one_machine` says
    whether Compose has it. With `volumes` it gets those of APP_VOLUMES, with `visited` the edge sends requests to it.
    """

    name: str
    kind: Kind
    image: str
    label: str = ""
    one_machine: bool = True
    volumes: bool = False
    visited: bool = False


def _job(name: str, *, volumes: bool = False, one_machine: bool = False) -> Service:
    return Service(name, Kind.JOB, "WORKER_IMAGE", "app", one_machine, volumes)


def _data(name: str, image: str = "REDIS_IMAGE") -> Service:
    return Service(name, Kind.DATA, image, "data")


def _monitoring(name: str, label: str) -> Service:
    return Service(name, Kind.SUPPORT, "MONITORING_IMAGE", label)


SERVICES = (
    Service("edge", Kind.EDGE, "EDGE_IMAGE", "edge"),
    Service("http", Kind.APPLICATION, "HTTP_IMAGE", "app", volumes=True, visited=True),
    Service("ws", Kind.APPLICATION, "WS_IMAGE", "app", volumes=True, visited=True),
    Service("worker", Kind.APPLICATION, "WORKER_IMAGE", "app", volumes=True),
    _job("release", volumes=True, one_machine=True),
    _job("static", volumes=True),
    _job("migrations", volumes=True),
    _job("pages"),
    _job("traffic", one_machine=True),
    Service("trial-http", Kind.TRIAL, "HTTP_IMAGE", "app", one_machine=False),
    Service("trial-ws", Kind.TRIAL, "WS_IMAGE", "app", one_machine=False),
    Service("first-http", Kind.TRIAL, "HTTP_IMAGE", "app", one_machine=False, visited=True),
    Service("first-ws", Kind.TRIAL, "WS_IMAGE", "app", one_machine=False, visited=True),
    Service("first-worker", Kind.TRIAL, "WORKER_IMAGE", "app", one_machine=False),
    _data("db", "DB_IMAGE"),
    _data("redis"),
    _data("redis-2"),
    _data("redis-3"),
    _data("sentinel"),
    _data("sentinel-2"),
    _data("sentinel-3"),
    _data("redis-app"),
    Service("backup", Kind.SUPPORT, "BACKUP_IMAGE", "data"),
    Service("certificates", Kind.SUPPORT, "CERTIFICATES_IMAGE"),
    _monitoring("prometheus", ANY),
    _monitoring("alertmanager", ANY),
    _monitoring("blackbox", "app"),
    _monitoring("postgres-exporter", "app"),
    _monitoring("redis-exporter", "app"),
    _monitoring("node-exporter", ANY),
)

NAMES = tuple(service.name for service in SERVICES)
"""Names that APP_COMMANDS cannot give to a service."""

VISITED = tuple(service.name for service in SERVICES if service.visited and service.kind is Kind.APPLICATION)
"""Services that visitors reach through the edge, of which a new release is tried first."""


def of(*kinds: Kind) -> tuple[str, ...]:
    """The names of the services of these KINDS, in the order of the table."""
    return tuple(service.name for service in SERVICES if service.kind in kinds)


def with_volumes(*, swarm: bool) -> tuple[str, ...]:
    """The services that get the volumes of APP_VOLUMES, on servers (SWARM) or on one machine."""
    return tuple(
        service.name
        for service in SERVICES
        if service.volumes and (service.label if swarm else service.one_machine)
    )


def kind(name: str) -> Kind:
    """The kind of the service NAME; one of APP_COMMANDS is the application's."""
    return next((service.kind for service in SERVICES if service.name == name), Kind.APPLICATION)
