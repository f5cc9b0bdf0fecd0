"""What is made from the sources before a deploy, and was not."""

from __future__ import annotations

from ..findings import Found, Place, rule
from ..project import Project


@rule("W706")
def not_compiled(project: Project) -> Found:
    """Translations that are not compiled

    In production: every page is in the language of the sources. Django reads .mo files, which are mostly not in git, and the
    build makes none.

    Instead: compile them where the image is built from, before the deploy.
        python manage.py compilemessages
    """
    there = project.files.translations
    bare = [path for path in sorted(there) if path.endswith(".po") and f"{path[:-3]}.mo" not in there]
    if bare:
        others = f", nor have {len(bare) - 1} others" if bare[1:] else ""
        yield Place(bare[0]), f"it has no .mo file next to it{others}"
