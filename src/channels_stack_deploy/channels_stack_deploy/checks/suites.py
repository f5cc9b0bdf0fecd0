"""Which tests look at a running environment, and how they get in: arguments of pytest for `make smoke` and `make browser`."""

from __future__ import annotations

import sys
from pathlib import Path

from ..config import environments, inventories, ownership
from ..config import settings as stack_settings
from ..console import Failure
from ..local import up
from ..paths import COMPOSE, ENVIRONMENTS, ROOT, Deployment

ANY = "tests/running"
"""Checks of any application, on this machine or on servers; they change nothing."""

OURS = "tests/smoke"
"""What the reference application's pages and sockets do."""


def of(name: str, chosen: str, address: str = "", options: str = "") -> list[str]:
    """For the environment NAME of this machine, or else the inventory: the tests that fit, unless some are CHOSEN, and options.

    A NAME with a slash is always an inventory, as for `make deploy`. Without a name it is the stack in compose/, or whatever
    answers at ADDRESS where that is another one's, or where OPTIONS say how to get in.
    """
    inventory = inventories.find(name)
    if servers := inventories.chosen(name):
        return _of_inventory(servers, chosen)
    if not name:
        default = environments.find("", "target")
        known = default.generated.exists() and up.address(stack_settings.of(default))
        if address and (options or known != f"{address.rstrip('/')}/"):
            fitting = OURS if "--password-file" in options else ANY
            return [] if chosen else [fitting]
        return of_deployment(default, chosen)
    if not (ENVIRONMENTS / name).is_dir():
        raise Failure(_missing(name))
    if inventory:
        print(
            f"{name} is the environment of this machine; the servers of that name: ENV=./{name}",
            file=sys.stderr,
        )
    return of_deployment(environments.find(name, "target"), chosen)


def of_deployment(deployment: Deployment, chosen: str) -> list[str]:
    """For a DEPLOYMENT on this machine."""
    if not deployment.generated.exists():
        raise Failure(f"there is no deployment yet: {deployment.verb('up')}")
    settings = stack_settings.load(deployment.settings)
    options = {
        "--deployment": str(deployment.folder),
        "--target": up.address(settings),
        "--project": ownership.project(deployment),
        "--password-file": str(up.first_password(deployment)),
    }
    if settings["CERTIFICATE"] == "local":
        options["--ca"] = str(deployment.authority / "ca.pem")
    fitting = [ANY, OURS] if ours(settings) else [ANY]
    return [*([] if chosen else fitting), *(f"{name}={value}" for name, value in options.items())]


def _of_inventory(inventory: Path, chosen: str) -> list[str]:
    if chosen and not chosen.startswith(ANY):
        raise Failure(f"T={chosen}: {ANY} looks at servers; the other tests need a stack on this machine")
    return [*([] if chosen else [ANY]), "--verbose", f"--inventory={inventory}"]


def _missing(name: str) -> str:
    here, there = (", ".join(names) or "none" for names in (environments.names(), inventories.names()))
    return (
        f"ENV={name}: no environment of this machine in {ENVIRONMENTS.relative_to(ROOT)} (there: {here}), and no servers in "
        f"{inventories.INVENTORIES.relative_to(ROOT)} (there: {there})"
    )


def ours(settings: dict[str, str]) -> bool:
    """Whether SETTINGS run the reference application, with a user whose password is known."""
    return (COMPOSE / Path(settings["APP_DIR"])).resolve() == ROOT / "app" and bool(up.first_user(settings))
