"""Acts on the swarm through a manager: the logic is in src/channels_stack_deploy (swarm/), this lends it Ansible's connection.

stack_swarm: {act: NAME, stack: NAME, ...}; the other arguments are those of the act's function below. It runs on the
manager (delegate_to), shows its progress line by line, and knows check mode. Acts that start tasks take `registry` and
`login` as well: the manager has the login for as long as the act takes.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "src/channels_stack_deploy"))

from channels_stack_deploy.console import Failure, Lines
from channels_stack_deploy.paths import Deployment
from channels_stack_deploy.registry import push, transfer
from channels_stack_deploy.swarm import (
    balance,
    credentials,
    deploy_lock,
    history,
    jobs,
    names,
    objects,
    redis_ha,
    replicas,
    rollout,
    summary,
)
from channels_stack_deploy.swarm import status as overview
from channels_stack_deploy.swarm.engine import Engine

NOTHING = b"\n"
"""Standard input of a command that needs none: with none at all Ansible opens a terminal, which mixes the two outputs."""

STARTING = ("roll", "job", "trial", "unknown")
"""Acts that start tasks."""


class ActionModule(ActionBase):
    """One act."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        """Do the act and return what Ansible shows of it."""
        result = super().run(tmp, task_vars)
        # With -vvv a connection shows what commands print, and a service's definition holds the application's variables.
        self._connection._play_context.no_log = True
        arguments = dict(self._task.args)
        act = arguments.pop("act")
        address, login = arguments.pop("registry", ""), arguments.pop("login", "")
        try:
            text = push.configuration(address, Path(login)) if address and act in STARTING else ""
            # Where the playbook is killed, this process of it must not act on the swarm alongside the next run.
            self._playbook = os.getppid()
            engine = Engine(self._command, arguments.pop("stack"), Display().display, self._given(text))
            # Ansible warns of what is printed past its own display.
            with contextlib.redirect_stdout(Lines(Display().display)):
                return {**result, **ACTS[act](engine, self._task.check_mode, **arguments)}
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _given(self, configuration: str) -> str:
        """A folder of the manager with this CONFIGURATION of docker, "" for none; it is removed at the end."""
        if not configuration or self._task.check_mode:
            return ""
        self._make_tmp_path()
        folder = self._connection._shell.tmpdir
        self._transfer_data(self._connection._shell.join_path(folder, "config.json"), configuration)
        return folder

    def _command(self, line: str, given: str) -> tuple[int, str, str]:
        if os.getppid() != self._playbook:
            raise Failure("the playbook was killed; the next command goes on from here")
        done = self._low_level_execute_command(line, in_data=given.encode() or NOTHING, sudoable=True)
        return done["rc"], done["stdout"], done["stderr"]


def take(engine: Engine, check: bool, unlock: str = "") -> dict:
    """Take the lock; a check run only says who holds it."""
    if check:
        holder = deploy_lock.holder(engine)
        return {"changed": False, "msg": f"locked by {holder.who} since {holder.since}" if holder else "free"}
    # The action runs in a process of its own: its parent is the ansible-playbook that a person started.
    said = deploy_lock.take(engine, deploy_lock.Holder.process(os.getppid()), unlock)
    if left := jobs.leftover(engine):
        engine.tell(f"    removed what an interrupted run left: {', '.join(left)}")
    return {"changed": bool(left), "msg": said}


def release(engine: Engine, check: bool) -> dict:
    """Release the lock, if it is ours."""
    return {"changed": False, "released": not check and deploy_lock.release(engine, os.getppid())}


def make(
    engine: Engine, check: bool, networks: list[dict], wanted: list[dict[str, str]], content: str
) -> dict:
    """NETWORKS, and secrets and configs of WANTED, that are missing; their CONTENT is a file of the controller."""
    made = objects.make_networks(engine, networks, check=check)
    if not check:
        wanted = json.loads(Path(content).read_text())
    made += objects.make(engine, wanted, check=check)
    return {"changed": bool(made), "made": made}


def prune(engine: Engine, check: bool, keep: list[str]) -> dict:
    """Secrets and configs of the stack go whose names are not in KEEP."""
    gone = [] if check else objects.prune(engine, keep)
    return {"changed": bool(gone), "removed": gone}


def standing(engine: Engine, check: bool) -> dict:
    """Which release runs, and what of it does not stand."""
    name, missing = rollout.standing(engine)
    return {"changed": False, "release": name, "missing": missing, "services": sorted(engine.services())}


def roll(
    engine: Engine,
    check: bool,
    path: str,
    seconds: float,
    prune: bool = True,
    services: list[str] | None = None,
    current: str = "",
) -> dict:
    """A rolling update of the file PATH, or of these SERVICES of it, unless a CURRENT release has the same."""
    if check:
        return {"changed": True}
    if current and jobs.same(engine, path, current):
        return {"changed": False, "rolled": []}
    rolled = rollout.roll(engine, path, float(seconds), prune=prune, only=services)
    return {"changed": True, "rolled": rolled}


def differing(engine: Engine, check: bool, path: str, current: str) -> dict:
    """Which of three running Redis the file PATH will replace; they run by the file CURRENT."""
    return {"changed": False, "nodes": [] if check else redis_ha.differing(engine, path, current)}


def settled(engine: Engine, check: bool, seconds: float, needed: bool = True) -> dict:
    """Wait until three Redis are in order; which one is the master, "" where they are not and it is not NEEDED."""
    try:
        return {"changed": False, "master": redis_ha.settled(engine, float(seconds))}
    except Failure as failure:
        said = f"three Redis are {failure}"
        if needed:
            raise Failure(
                f"{said}\nThey are not replaced like that; all that are left, at once: -e force=true"
            ) from None
        engine.tell(f"    {said}")
        return {"changed": False, "master": ""}


def hand_over(engine: Engine, check: bool, node: str) -> dict:
    """Let another Redis than NODE be the master."""
    engine.tell(f"    {redis_ha.hand_over(engine, node)}")
    return {"changed": False}


def job(engine: Engine, check: bool, service: str, path: str, seconds: float, current: str = "") -> dict:
    """A job of the release, unless the CURRENT release, where one is named, has done the very same."""
    if check:  # the definition is only on the controller then, so there is nothing to compare
        return {"changed": True}
    if current and jobs.same(engine, path, current):
        return {"changed": False, "msg": "done by the current release"}
    jobs.release(engine, service, path, float(seconds))
    return {"changed": True}


def due(engine: Engine, check: bool, current: str, rendered: str) -> dict:
    """Whether the job of the file RENDERED, on the controller, differs from the CURRENT release's apart from its secrets."""
    path = Path(rendered)
    return {"changed": False, "due": path.exists() and jobs.due(engine, path.read_text(), current)}


def trial(
    engine: Engine,
    check: bool,
    path: str,
    current: str,
    services: list[str],
    healthy_seconds: float,
    steady_seconds: float,
    job: str,
) -> dict:
    """The trial of new servers, unless the CURRENT release has the same."""
    if check:
        return {"changed": False}
    if jobs.same(engine, path, current):
        return {"changed": False, "msg": "the servers of the current release are the same"}
    job_path = str(Path(path).with_name(f"{job}.json"))
    jobs.trial(engine, path, services, float(healthy_seconds), float(steady_seconds), job, job_path)
    return {"changed": False}


def releases(engine: Engine, check: bool, folder: str) -> dict:
    """Which releases the manager keeps in FOLDER, the current one, and the one before it."""
    return {"changed": False, **history.releases(engine, folder)}


def remember(engine: Engine, check: bool, folder: str, event: str, release: str) -> dict:
    """Note in the history of this manager what became of RELEASE."""
    if not check:
        history.remember(engine, folder, event, release)
    return {"changed": False}


def unknown(engine: Engine, check: bool, path: str, current: str, seconds: float) -> dict:
    """Migrations of the database that the code of PATH does not know, and which of them it cannot live with."""
    found = history.unknown(engine, path, current, float(seconds))
    return {
        "changed": False,
        "unknown": [each["name"] for each in found],
        "incompatible": [each for each in found if each["reason"]],
    }


def forget(engine: Engine, check: bool, folder: str, keep: int) -> dict:
    """What of old releases is not needed any more; the controller forgets what it called their images."""
    found = history.forget(engine, folder, int(keep), check=check)
    if not check:
        transfer.forget(found["images"])
    return {"changed": bool(found["objects"]), **found}


def scale(engine: Engine, check: bool, wanted: dict[str, int | str], seconds: float) -> dict:
    """Other numbers of tasks: service -> number."""
    numbers = {name: int(count) for name, count in wanted.items() if str(count) != ""}
    if not numbers:
        raise Failure("say which service, and how many tasks: -e ws=6")
    if check:
        return {"changed": True}
    changed = rollout.scale(engine, numbers, float(seconds))
    return {"changed": bool(changed), "scaled": changed}


def uneven(engine: Engine, check: bool) -> dict:
    """How many tasks of each service have to move until every node has its share."""
    return {"changed": False, "moves": balance.uneven(engine)}


def even(engine: Engine, check: bool, seconds: float) -> dict:
    """Move them."""
    if check:
        return {"changed": bool(balance.uneven(engine))}
    moved = balance.even(engine, float(seconds))
    return {"changed": bool(moved), "moved": moved}


def status(engine: Engine, check: bool, facts: dict, folder: str) -> dict:
    """Show nodes, services, what FACTS (see stack_facts) say of processes, edges and backups, and the history in FOLDER."""
    tables = [overview.nodes(engine), overview.services(engine)]
    lines = [line for rows in tables for line in [*overview.aligned(rows), ""]]
    lines += summary.lines(facts, list(engine.services()))
    lines += [
        f"{name}: {number} of its tasks should stand elsewhere; deploy.yml and undrain.yml -e node=NAME spread them"
        for name, number in balance.uneven(engine).items()
    ]
    found = {host: each["replicas"] for host, each in facts["edges"].items() if "replicas" in each}
    lines += [
        f"PROBLEM {line}; where it stays so for a minute: docker service update --force {engine.stack}_{line.split()[-1]}"
        for line in names.differing(names.known(engine), found)
    ]
    held = deploy_lock.holder(engine)
    if held:
        killed = ", by a run that was killed: the next command takes it away" if held.gone else ""
        lines.append(f"locked by {held.who} since {held.since}{killed}")
    lines += ["", *history.lines(engine, folder)]
    for line in lines:
        engine.tell(line)
    return {"changed": False}


def routes(engine: Engine, check: bool) -> dict:
    """The paths of the application, as a replica on this host has them; "" where none answers."""
    return {"changed": False, "paths": replicas.routes(engine)}


def why(engine: Engine, check: bool) -> dict:
    """Show why the replicas of this host do not serve."""
    if found := replicas.why(engine):
        # At once: hosts report at the same time.
        engine.tell("\n".join(f"    {line}" for line in found))
    return {"changed": False}


def logins(engine: Engine, check: bool, folder: str, final: bool) -> dict:
    """Who may log in to the PostgreSQL of this host: the secrets of FOLDER, on the controller, and with FINAL no other role."""
    found = credentials.logins(engine, Deployment(Path(folder)), final=final, check=check)
    return {"changed": bool(found), "what": found}


def users(engine: Engine, check: bool, folder: str, place: str, node: str, final: bool, three: bool) -> dict:
    """The same for the Redis NODE of this host, which reads the folder PLACE at its start; each of THREE has a Sentinel."""
    deployment = Deployment(Path(folder))
    path = str(Path(place) / "users.acl")
    found = credentials.users(engine, deployment, path, final=final, check=check, node=node)
    if three:
        found += redis_ha.accept(engine, deployment, place, node, final=final, check=check)
    return {"changed": bool(found), "what": found}


def use(engine: Engine, check: bool, folder: str, place: str, node: str) -> dict:
    """Let one of three Redis, and its Sentinel, log in to the others with the newest password."""
    if not check:
        redis_ha.use(engine, Deployment(Path(folder)), place, node)
    return {"changed": False}


def left(engine: Engine, check: bool, seconds: float) -> dict:
    """Wait until no task of an earlier definition runs any more; says which still do after SECONDS."""
    found = [] if check else rollout.left(engine, float(seconds))
    if found:
        engine.tell(
            f"    still stopping: {', '.join(found)}; what they log in with is kept until the next run"
        )
    return {"changed": False, "left": found}


def differs(engine: Engine, check: bool, folder: str, rendered: str) -> dict:
    """Services that the file RENDERED, on the controller, would change apart from their secrets."""
    text = Path(rendered).read_text() if Path(rendered).exists() else ""
    return {"changed": False, "services": history.differs(engine, folder, text) if text else []}


def outdated(engine: Engine, check: bool, folder: str, release: str) -> dict:
    """Of the kept releases, the names of secrets in the place of which RELEASE has newer ones: old -> new."""
    return {"changed": False, "names": {} if check else history.outdated(engine, folder, release)}


ACTS = {
    "routes": routes,
    "why": why,
    "logins": logins,
    "users": users,
    "use": use,
    "differing": differing,
    "settled": settled,
    "hand_over": hand_over,
    "left": left,
    "differs": differs,
    "outdated": outdated,
    "uneven": uneven,
    "even": even,
    "scale": scale,
    "status": status,
    "forget": forget,
    "releases": releases,
    "remember": remember,
    "unknown": unknown,
    "lock": take,
    "unlock": release,
    "objects": make,
    "prune": prune,
    "standing": standing,
    "roll": roll,
    "job": job,
    "due": due,
    "trial": trial,
}
