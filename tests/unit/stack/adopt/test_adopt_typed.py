"""make adopt: environment variables that a project declares as fields of a class, or reads in a module of its own."""

import pytest
from layouts import PLAIN

from channels_stack_deploy.adopt.proposal import propose

CLASSES = """
import os
from typing import ClassVar
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Web(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env")
    KIND: ClassVar[str] = "web"
    SITE_KEY: str
    HOSTS: str
    ORIGINS: list[str]
    TOKEN: str = Field(..., validation_alias="SERVICE_TOKEN")
    RETRIES: int = Field(3, ge=0)
    NOTE: str | None = None


class Prefixed(BaseSettings, env_prefix="PG_"):
    pass


class Database(Prefixed):
    model_config = SettingsConfigDict(env_prefix="PG_")
    name: str
    port: int
    REDIS_URL: str = Field(alias="REDIS_URL")


class Unread:
    NOT_READ: str


web = Web()
database = Database()
MAIL_KEY = os.environ["MAIL_KEY"]
"""

SETTINGS = """
from .config import database, web

SECRET_KEY = web.SITE_KEY
ALLOWED_HOSTS = web.HOSTS.split(",")
CSRF_TRUSTED_ORIGINS = web.ORIGINS
INSTALLED_APPS = []
ROOT_URLCONF = "mysite.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": database.name, "PORT": database.port}}
"""


@pytest.mark.parametrize(
    "imports",
    [
        "from .config import database, web",
        "from mysite.config import database, web",
        "from . import config\nweb, database = config.web, config.database",
    ],
)
def test_fields_of_a_class_are_variables(make, imports):
    source = SETTINGS.replace("from .config import database, web", imports)
    folder = make(PLAIN, {"mysite/settings.py": source, "mysite/config.py": CLASSES})
    variables = {each.name: each for each in propose(folder, {"DOMAINS": "a.example b.example"}).variables}
    made = variables.pop("SITE_KEY")
    assert made.required and len(made.value) > 50 and made.place == "mysite/config.py:11"
    assert {name: (each.required, each.value) for name, each in variables.items()} == {
        "HOSTS": (True, "a.example,b.example"),
        "ORIGINS": (True, '["https://a.example", "https://b.example"]'),
        "SERVICE_TOKEN": (True, None),
        "RETRIES": (False, None),
        "NOTE": (False, None),
        "PG_NAME": (True, "app"),
        "PG_PORT": (True, "5432"),
        "MAIL_KEY": (True, None),
    }


@pytest.mark.parametrize(
    "kind", ["list[str]", "Optional[List[str]]", "list[str] | None", '"tuple[str, ...]"']
)
def test_a_list_is_json_however_it_is_written(make, kind):
    classes = CLASSES.replace("ORIGINS: list[str]", f"ORIGINS: {kind}")
    folder = make(PLAIN, {"mysite/settings.py": SETTINGS, "mysite/config.py": classes})
    values = {each.name: each.value for each in propose(folder, {"DOMAINS": "a.example"}).variables}
    assert values["ORIGINS"] == '["https://a.example"]' and values["HOSTS"] == "a.example"


@pytest.mark.parametrize(("default", "expected"), [("development", "production"), ("production", None)])
def test_the_environment_as_a_field_has_the_word_that_means_production(make, default, expected):
    source = (
        "from pydantic_settings import BaseSettings\n"
        f'class Web(BaseSettings):\n    environment: str = "{default}"\n'
        'web = Web()\nDEBUG = web.environment != "production"\nINSTALLED_APPS = []\n'
    )
    (variable,) = propose(make(PLAIN, {"mysite/settings.py": source})).variables
    assert (variable.name, variable.value) == ("ENVIRONMENT", expected)
