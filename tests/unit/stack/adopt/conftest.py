"""A project that is written and read."""

import pytest

from channels_stack_deploy.adopt import lines
from channels_stack_deploy.adopt.proposal import propose
from channels_stack_deploy.config import settings


@pytest.fixture
def make(tmp_path):
    """Write a project's files, by path; its folder."""

    def make(*parts, **others):
        folder = tmp_path / "project"
        for path, text in {name: text for part in (*parts, others) for name, text in part.items()}.items():
            whole = folder / path
            whole.parent.mkdir(parents=True, exist_ok=True)
            whole.write_bytes(text) if isinstance(text, bytes) else whole.write_text(text)
        return folder

    return make


@pytest.fixture
def found(make):
    """The proposed values of a project, by setting, but for those that are the same for all of these."""

    def found(*parts):
        values = {name: line.value for name, line in propose(make(*parts)).lines.items()}
        for name in ("APP_DIR", "APP_RELEASE_COMMANDS"):
            del values[name]
        defaults = {name: value for name, value in settings.defaults().items() if name not in lines.EXPLICIT}
        return {name: value for name, value in values.items() if value != defaults.get(name)}

    return found
