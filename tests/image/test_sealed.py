"""Every image that runs: no program makes a process another user, and none installs what is not in the image."""

from __future__ import annotations

import json

import pytest

from .conftest import docker, given

WALK = """
import json, os, stat
found = {"powerful": [], "installers": []}
for folder, folders, names in os.walk("/"):
    if folder == "/":
        folders[:] = [name for name in folders if name not in ("proc", "sys", "dev")]
    for name in names:
        path = os.path.join(folder, name)
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            continue
        if status.st_mode & (stat.S_ISUID | stat.S_ISGID) or "security.capability" in os.listxattr(path):
            found["powerful"].append(path)
        if name in ("apt", "apt-get", "aptitude", "pip", "pip3", "uv") and status.st_mode & 0o111:
            found["installers"].append(path)
found["packages"] = os.path.getsize("/var/lib/dpkg/status")
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    "name", ["UVICORN", "DAPHNE", "EDGE", "REDIS", "DB", "CERTIFICATES", "REGISTRY", "BACKUP"]
)
def test_no_program_gives_rights_or_installs(name):
    image = given(f"{name}_IMAGE")
    if not image.startswith("channels-stack/"):
        pytest.skip(f"{image} is an official image, whose contents are not ours")
    walk = ["run", "--rm", "--network=none", "--user=0", "--entrypoint=python3", image, "-c", WALK]
    found = json.loads(docker(*walk, timeout=120).stdout)
    assert (found["powerful"], found["installers"]) == ([], [])
    assert found["packages"] > 10_000, "scanners know by this list what the image holds"
