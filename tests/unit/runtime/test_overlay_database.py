"""The overlay's part `database`."""

from __future__ import annotations

import pytest
from overlays import REQUIRED, changed

from channels_stack.config.environment import ConfigurationError
from channels_stack.config.settings import Settings
from channels_stack.project import databases, parts


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://u:p%40@h:6/n", ("postgresql", "n", "u", "p@", "h", 6)),
        ("postgres://h/n", ("postgresql", "n", "", "", "h", "")),
        ("sqlite:////srv/data/a.db", ("sqlite3", "/srv/data/a.db", "", "", "", "")),
        ("sqlite://:memory:", ("sqlite3", ":memory:", "", "", "", "")),
        ("mysql://u@h/n", ("mysql", "n", "u", "", "h", "")),
    ],
)
def test_a_database_url(url, wanted):
    found = databases.database(url)
    assert (found["ENGINE"].rpartition(".")[2], *(found[name] for name in databases.ADDRESS)) == wanted


def test_parameters_of_a_database_url_are_options():
    assert databases.database("postgresql://h/n?sslmode=require")["OPTIONS"]["sslmode"] == "require"


@pytest.mark.parametrize("url", ["oracle://h/n", "postgresql://h:port/n"])
def test_an_unknown_database_is_refused_without_its_address(url):
    with pytest.raises(ConfigurationError) as refused:
        databases.database(url)
    assert "DATABASE_URL" in str(refused.value) and url not in str(refused.value)


def test_a_database_whose_variables_are_not_set_becomes_ours():
    own = dict.fromkeys(("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT"))  # os.environ.get("DB_ENGINE")
    found = changed({"DATABASES": {"default": own}})["DATABASES"]["default"]
    assert found["ENGINE"] == "django.db.backends.postgresql" and found["HOST"] == "db"


def test_a_database_on_a_host_of_the_same_name_is_another_one():
    own = {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "USER": "postgres", "HOST": "db"}
    settings = Settings.from_environment(REQUIRED)
    (override,) = parts.find({"DATABASES": {"default": own}}, settings, ["database"])
    assert "postgresql on db (app as app), instead of postgresql on db (shop as postgres)" in str(override)


def test_a_database_keeps_its_backend_its_options_and_its_sisters():
    own = {
        "ENGINE": "django_prometheus.db.backends.postgresql",
        "HOST": "localhost",
        "CONN_MAX_AGE": 600,
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {"options": "-c search_path=x"},
    }
    found = changed({"DATABASES": {"default": own, "archive": {"ENGINE": "x"}}})["DATABASES"]
    assert found["default"]["ENGINE"] == own["ENGINE"] and found["default"]["ATOMIC_REQUESTS"] is True
    assert found["default"]["OPTIONS"]["options"] == "-c search_path=x"
    assert found["default"]["CONN_MAX_AGE"] == 0 and found["archive"] == {"ENGINE": "x"}


def test_what_says_where_to_connect_goes_with_the_host():
    own = {
        "ENGINE": "django.db.backends.postgresql",
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **{"service": "shop", "passfile": ".pgpass", "sslmode": "require", "sslrootcert": "/ca.pem"},
            **{"host": "10.0.0.1", "target_session_attrs": "primary", "pool": True, "options": "-c x=y"},
        },
    }
    settings = Settings.from_environment(REQUIRED)
    (override,) = parts.find({"DATABASES": {"default": own}}, settings, ["database"])
    found = override.value["default"]
    assert found["OPTIONS"] == {"pool": True, "options": "-c x=y", "connect_timeout": 5}
    assert found["DISABLE_SERVER_SIDE_CURSORS"] is True and found["CONN_HEALTH_CHECKS"] is True
    assert "without its OPTIONS service, passfile, sslmode, sslrootcert, host, target_session_attrs" in str(
        override
    )


def test_tls_of_the_operators_own_stays():
    url = "postgresql://h/n?sslmode=verify-full&sslrootcert=/run/ca.pem"
    own = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"sslmode": "require", "sslcert": "/x"}}
    found = changed({"DATABASES": {"default": own}}, DATABASE_URL=url)["DATABASES"]["default"]["OPTIONS"]
    assert found == {"sslmode": "verify-full", "sslrootcert": "/run/ca.pem", "connect_timeout": 5}


def test_tls_as_database_url_says_also_where_the_project_reads_it():
    """dj_database_url.config(ssl_require=True), which the stack's own server would refuse."""
    url = f"{REQUIRED['DATABASE_URL']}?sslmode=prefer"
    own = {**databases.database(url), "OPTIONS": {"sslmode": "require", "application_name": "x"}}
    found = changed({"DATABASES": {"default": own}}, DATABASE_URL=url)["DATABASES"]["default"]
    assert found == {**own, "OPTIONS": {"sslmode": "prefer", "application_name": "x"}}
    assert "DATABASES" not in changed({"DATABASES": {"default": own}})


def test_djangos_own_parameters_of_a_database_url_are_taken():
    found = databases.database(
        "postgresql://h/n?CONN_MAX_AGE=60&conn_health_checks=true&disable_server_side_cursors=1&pool=true"
    )
    assert (found["CONN_MAX_AGE"], found["CONN_HEALTH_CHECKS"]) == (60, True)
    assert found["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert found["OPTIONS"] == {"pool": True, "connect_timeout": 5}
    assert databases.database("postgresql://h/n?CONN_MAX_AGE=None&pool=off")["CONN_MAX_AGE"] is None


@pytest.mark.parametrize(
    "query", ["CONN_MAX_AGE=soon", "pool=4", "CONN_HEALTH_CHECKS=", "CONN_MAX_AGES=1", "ENGINE=x"]
)
def test_a_parameter_that_is_none_is_refused_at_once(query):
    with pytest.raises(ConfigurationError) as refused:
        databases.database(f"postgresql://u:hunter2@h/n?{query}")
    (problem,) = refused.value.problems
    assert query.partition("=")[0] in str(problem) and "hunter2" not in str(problem)


def test_a_pool_is_postgresqls():
    with pytest.raises(ConfigurationError):
        databases.database("mysql://h/n?pool=true")


SENTINELS = "redis+sentinel://app:hunter2@sentinel,sentinel-2/redis/0"
"""What REDIS_URL is where three servers with Sentinel take the place of one."""


def test_a_map_stays_a_map():
    own = {"ENGINE": "django.contrib.gis.db.backends.spatialite", "NAME": "x"}
    found = changed({"DATABASES": {"default": own}})["DATABASES"]["default"]
    assert found["ENGINE"] == "django.contrib.gis.db.backends.postgis"


def test_libraries_of_a_developers_machine_are_those_of_the_image(tmp_path):
    (tmp_path / "libgeos_c.so").touch()
    found = changed(
        {
            "GDAL_LIBRARY_PATH": r"C:\OSGeo4W\bin\gdal312.dll",
            "GEOS_LIBRARY_PATH": str(tmp_path / "libgeos_c.so"),
            "SPATIALITE_LIBRARY_PATH": "mod_spatialite",
        }
    )
    assert found["GDAL_LIBRARY_PATH"] is None
    assert not {"GEOS_LIBRARY_PATH", "SPATIALITE_LIBRARY_PATH"} & found.keys()


SHOP = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "shop",
    "USER": "me",
    "PASSWORD": "mine",
    "HOST": "127.0.0.1",
    "PORT": "5432",
}


def test_other_names_of_the_same_database_move_with_it():
    """A replica's alias, a library's (channels_postgres): each is the database that `default` is."""
    given = {
        "default": SHOP,
        "replica": {**SHOP, "PORT": 5432, "TEST": {"MIRROR": "default"}},
        "archive": {**SHOP, "NAME": "archive"},
    }
    settings = Settings.from_environment(REQUIRED)
    (override,) = parts.find({"DATABASES": given}, settings, ["database"])
    found = override.value
    assert found["replica"]["HOST"] == "db" and found["replica"]["PASSWORD"] == "p@ss"
    assert found["replica"]["TEST"] == {"MIRROR": "default"}
    assert found["archive"] == given["archive"]
    assert str(override).endswith("; so is 'replica', which is the same one")
