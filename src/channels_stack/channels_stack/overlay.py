"""The settings module of every container: the project's own settings, with what production decides set over them.

    DJANGO_SETTINGS_MODULE=channels_stack.overlay   APP_SETTINGS=mysite.settings

Everything is taken from APP_SETTINGS; then ``project.parts`` sets, from the environment, what differs from it. The
project's own module is given the new values too: some code imports it instead of ``django.conf.settings``. With
django-configurations APP_SETTINGS names a class as well: ``mysite.settings:Production``.
APP_OVERLAY says which parts are left alone. Nothing but settings has a name in capitals here.
"""

from __future__ import annotations

from .config import development, importing
from .config.environment import Environment, before_settings, secrets_as_variables
from .config.settings import Settings, asks_for_debug, overlay_parts
from .project.override import Override
from .project.parts import find

_env = Environment()
_name = _env.text("APP_SETTINGS", "config.settings")
_parts = overlay_parts(_env)
_off = "debug" in _parts and not asks_for_debug(_env.environ)
with secrets_as_variables(), development.switched_off(importing.FOREIGN, _off):
    _project = importing.settings(_name)
_env.check()

overrides: tuple[Override, ...] = ()
"""What was set over the project's own settings, in the order of the parts."""

if _parts:
    # What the project has set by then (dotenv, setdefault) is not the operator's word.
    overrides = find(vars(_project), Settings.from_environment(before_settings()), _parts)
    for _override in overrides:
        setattr(_project, _override.name, _override.value)

globals().update({name: value for name, value in vars(_project).items() if name.isupper()})


class _Loaded:
    """The chosen class, as a manage.py of django-configurations asks for it here: nothing is left to do."""

    @staticmethod
    def setup() -> None:
        pass

    pre_setup = post_setup = setup


if _name.partition(":")[2]:
    globals()[_name.partition(":")[2]] = _Loaded
