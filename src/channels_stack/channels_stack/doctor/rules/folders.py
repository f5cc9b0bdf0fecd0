"""Folders that settings name and no image holds."""

from __future__ import annotations

import ast

from ..findings import SETTINGS, Found, rule
from ..project import Project

READ = ("STATICFILES_DIRS", "TEMPLATES", "FIXTURE_DIRS", "LOCALE_PATHS")
"""Settings whose folders are only read, so that one that is not there is just empty."""

LEFT_OUT = {"node_modules", ".venv", "venv", ".git", ".tox"}
"""Of what never reaches an image (channels_stack_deploy.build.images), the folders that settings are seen to name."""


@rule("W707", SETTINGS)
def left_out(project: Project) -> Found:
    """Settings name a folder that is left out of images

    In production: it is not there, and what pages take from it is a 404. node_modules and virtual environments never reach an
    image.

    Instead: copy what pages need (npm run build, or a line in package.json's "scripts") to a static folder of another name, and
    name that.
    """
    for settings in project.settings:
        for path in settings.files:
            module = project.files.modules[path]
            for statement in module.nodes:
                targets = statement.targets if isinstance(statement, ast.Assign) else []
                if isinstance(statement, ast.AugAssign):
                    targets = [statement.target]
                names = {target.id for target in targets if isinstance(target, ast.Name)} & set(READ)
                for part in ast.walk(statement) if names else ():
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        folder = next((each for each in part.value.split("/") if each in LEFT_OUT), "")
                        if folder:
                            yield (
                                module.place(part),
                                f"{', '.join(names)} names {part.value}, and no image holds a {folder}",
                            )
