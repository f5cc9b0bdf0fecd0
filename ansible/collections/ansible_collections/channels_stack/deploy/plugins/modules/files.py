#!/usr/bin/python3
"""Write a folder's files in one go; the action plugin of the same name reads them on the controller."""

from __future__ import annotations

import os

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: files
short_description: Write a folder of small text files
description:
  - Creates the folder O(dest) where it is missing and writes what differs; other files in it stay.
  - The action plugin reads the files from O(source) on the controller.
options:
  source:
    description: Folder of the controller.
    type: path
    required: true
  names:
    description: Names of files in it.
    type: list
    elements: str
    required: true
  dest:
    description: Folder of the host.
    type: str
    required: true
  private:
    description: Names that only the owner may read, and that no diff shows.
    type: list
    elements: str
    default: []
  owner:
    description: Numeric user and group id.
    type: int
    default: 0
  folder_mode:
    description: Mode of the folder.
    type: str
    default: "0750"
  file_mode:
    description: Mode of files that are not private.
    type: str
    default: "0640"
"""

RETURN = """
written:
  description: Names of the files that differed; a dot where the folder was missing.
  type: list
  returned: success
"""


def main() -> None:
    """Do it."""
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "files": {"type": "dict", "required": True, "no_log": True},
            "private": {"type": "list", "elements": "str", "default": []},
            "owner": {"type": "int", "default": 0},
            "folder_mode": {"type": "str", "default": "0750"},
            "file_mode": {"type": "str", "default": "0640"},
        },
        supports_check_mode=True,
    )
    given = module.params
    dest, owner = given["dest"], given["owner"]
    written, diff = [], []
    if not os.path.isdir(dest):
        written.append(".")
        if not module.check_mode:
            os.makedirs(dest)
    if not module.check_mode:
        os.chmod(dest, int(given["folder_mode"], 8))
    for name, text in sorted(given["files"].items()):
        path, private = os.path.join(dest, name), name in given["private"]
        mode = 0o400 if private else int(given["file_mode"], 8)
        old = read(path)
        if old == text and ownership(path) == (mode, owner, owner):
            continue
        written.append(name)
        if not private:
            diff.append({"before": old or "", "after": text, "before_header": path, "after_header": path})
        if not module.check_mode:
            write(path, text, mode, owner)
    module.exit_json(changed=bool(written), written=written, diff=diff)


def read(path: str) -> str | None:
    """The text of PATH, None where there is none."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return None


def ownership(path: str) -> tuple[int, int, int]:
    """Mode, owner and group of PATH."""
    status = os.stat(path)
    return status.st_mode & 0o777, status.st_uid, status.st_gid


def write(path: str, text: str, mode: int, owner: int) -> None:
    """Write PATH in one step: a reader sees the old text or the new one."""
    new = path + ".new"
    if os.path.exists(new):
        os.remove(new)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    os.chmod(new, mode)
    os.chown(new, owner, owner)
    os.replace(new, path)


if __name__ == "__main__":
    main()
