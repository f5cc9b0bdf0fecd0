"""What an application runs and keeps in addition to the services of compose.yml: APP_COMMANDS and APP_VOLUMES.

Both become a Compose file of the deployment, compose.app.json (JSON is YAML). A command is a service like `worker`,
held to the same rules; a test compares the two. With SWARM left out it also says what only Compose knows.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from ..console import Failure
from . import services as table
from . import volumes

SECRETS = ("secret_key", "secret_key_fallbacks", "database_url", "redis_url")
"""Files that each of them gets, as NAME_FILE."""


def commands(settings: dict[str, str]) -> dict[str, list[str]]:
    """Service name -> command line, from APP_COMMANDS: `name: command; name: command`, quoted as in a shell."""
    example = "write for example APP_COMMANDS=celery: celery -A mysite worker; beat: celery -A mysite beat"
    commands: dict[str, list[str]] = {}
    for words in lines(settings["APP_COMMANDS"], example):
        name, colon, first = words[0].partition(":")
        command = [*filter(None, [first]), *words[1:]]
        if not colon or not command or not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
            raise Failure(f"APP_COMMANDS has {' '.join(words)!r}, which is not `name: command`; {example}")
        if name in table.NAMES:
            raise Failure(f"APP_COMMANDS: {name!r} is a service of the stack, take another name; {example}")
        if name in commands:
            raise Failure(f"APP_COMMANDS names {name!r} more than once; {example}")
        commands[name] = command
    return commands


def lines(text: str, example: str, setting: str = "APP_COMMANDS") -> list[list[str]]:
    """The words of each command in TEXT, the value of SETTING, which semicolons separate."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";")
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise Failure(f"{setting}: {error}; {example}") from None
    commands: list[list[str]] = [[]]
    for word in words:
        if word == ";":
            commands.append([])
        else:
            commands[-1].append(word)
    return [each for each in commands if each]


def service(command: list[str], mounts: list[str], secrets: tuple[str, ...] = SECRETS) -> dict[str, Any]:
    """The definition of one command: like `worker` in compose.yml, but nothing can ask it how it is."""
    return {
        "image": "${WORKER_IMAGE:?run make up}",
        "command": [part.replace("$", "$$") for part in command],
        "init": True,
        "read_only": True,
        "user": "10001:10001",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}},
        "env_file": ["${STACK_DIR:-.}/services.env", "${STACK_DIR:-.}/app.env"],
        "environment": {
            **{f"{name.upper()}_FILE": f"/run/secrets/{name}" for name in secrets},
            "CLOSED_TO_DATA_STORES": "true",
            "RUNNING_IMAGE": "${WORKER_IMAGE:?run make up}",
        },
        "secrets": [*secrets, "data_ca"],
        "stop_grace_period": "${STOP_GRACE:?run make up}",
        "tmpfs": ["/tmp:size=64m,mode=1777"],
        "volumes": ["static:/srv/static", "media:/srv/media", *mounts],
        "networks": ["data", "out"],
        "deploy": {
            "replicas": 1,
            "endpoint_mode": "dnsrr",
            "update_config": {
                "order": "stop-first",
                "parallelism": 1,
                "failure_action": "rollback",
                "monitor": "60s",
            },
            "resources": {
                "limits": {
                    "cpus": "${WORKER_CPUS:?run make up}",
                    "memory": "${WORKER_MEMORY:?run make up}",
                    "pids": 128,
                }
            },
        },
    }


def definitions(settings: dict[str, str], *, swarm: bool = False) -> dict[str, Any]:
    """The Compose file of the application's own commands and volumes; empty where it has none."""
    found = volumes.read(settings)
    mounts = [volume.mount for volume in found]
    secrets = (*SECRETS, "app_redis_url") if settings["APP_REDIS"] else SECRETS
    services = {name: service(command, mounts, secrets) for name, command in commands(settings).items()}
    if swarm:
        for each in services.values():
            each["deploy"]["placement"] = {"constraints": ["node.labels.app == true"]}
    else:
        healthy = {"condition": "service_healthy", "required": False}
        for each in services.values():
            each |= {"depends_on": dict.fromkeys(("db", "redis"), healthy), "restart": "unless-stopped"}
            if settings["APP_REDIS"]:
                each["depends_on"]["redis-app"] = healthy
    programs = sorted({service["command"][0] for service in services.values()})
    if mounts:
        services |= {name: {"volumes": mounts} for name in table.with_volumes(swarm=swarm)}
    if programs:
        # The release says that one is missing, before anything that runs is replaced.
        looked_for = [f"--program={program}" for program in programs]
        services.setdefault("release", {})["command"] = ["channels-stack", "release", *looked_for]
    return {"services": services, "volumes": {volume.name: {} for volume in found}} if services else {}


def text(settings: dict[str, str], *, swarm: bool = False) -> str:
    """The same as the text of a file; "" where the application has neither."""
    found = definitions(settings, swarm=swarm)
    return json.dumps(found, indent=2) + "\n" if found else ""
