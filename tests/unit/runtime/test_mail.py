"""The overlay's part `mail`: where mails go, and that a project for development loses them with a line."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from channels_stack.config.environment import ConfigurationError
from channels_stack.project import mail
from channels_stack.project.override import Override

CONSOLE = {"BACKEND": "django.core.mail.backends.console.EmailBackend"}
URL = "smtp+tls://app:s%40cret@mail.example.org"


def found(project: dict[str, Any]) -> list[Override]:
    return list(mail.find(project, None))  # type: ignore[arg-type]  # it reads the environment alone


def changed(project: dict[str, Any]) -> dict[str, Any]:
    return {each.name: each.value for each in found(project)}


DEVELOPMENT = (
    {"MAILERS": {"default": CONSOLE}},  # what `startproject` of Django 6.1 writes
    {"MAILERS": {"default": {"BACKEND": "django.core.mail.backends.filebased.EmailBackend"}}},
    {"MAILERS": {"default": {"OPTIONS": {"host": "localhost"}}}},
    {"EMAIL_BACKEND": CONSOLE["BACKEND"]},
    {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": 1025},  # mailpit, mailhog
    {},  # Django's own default is localhost:25
)


@pytest.mark.parametrize("project", DEVELOPMENT)
def test_without_a_server_mails_are_dropped_and_the_release_says_so(project):
    (override,) = found(project)
    kind = override.value["default"] if override.name == "MAILERS" else {"BACKEND": override.value}
    assert override.name == ("MAILERS" if "MAILERS" in project else "EMAIL_BACKEND")
    assert kind == {"BACKEND": mail.NONE}
    assert "mails are dropped" in str(override) and "EMAIL_URL=" in str(override)


@pytest.mark.parametrize("project", DEVELOPMENT)
def test_email_url_says_who_takes_them(project, monkeypatch):
    monkeypatch.setenv("EMAIL_URL", URL)
    values = changed(project)
    told = " ".join(map(str, found(project)))
    assert "mails go to mail.example.org" in told and "cret" not in told
    if "MAILERS" in project:
        options = values["MAILERS"]["default"]["OPTIONS"]
    else:
        assert values["EMAIL_BACKEND"] == mail.SMTP
        options = {option: values[name] for option, name in mail.NAMES.items()}
    assert (options["host"], options["port"], options["use_tls"]) == ("mail.example.org", 587, True)
    assert (options["username"], options["password"], options["use_ssl"]) == ("app", "s@cret", False)


def test_the_variables_that_django_names_after_say_it_too(monkeypatch):
    for name, value in {
        "EMAIL_HOST": "mail.example.org",
        "EMAIL_USE_SSL": "yes",
        "EMAIL_HOST_PASSWORD": "p",
        "DEFAULT_FROM_EMAIL": "Shop <shop@example.org>",
    }.items():
        monkeypatch.setenv(name, value)
    values = changed({"MAILERS": {"default": CONSOLE}})
    options = values["MAILERS"]["default"]["OPTIONS"]
    assert (options["host"], options["port"], options["use_ssl"]) == ("mail.example.org", 465, True)
    assert values["DEFAULT_FROM_EMAIL"] == "Shop <shop@example.org>"


@pytest.mark.parametrize(
    "project",
    [
        {"EMAIL_HOST": "smtp.example.net"},
        {"MAILERS": {"default": {"OPTIONS": {"host": "smtp.example.net"}}}},
        {"EMAIL_BACKEND": "anymail.backends.mailgun.EmailBackend"},
        {"MAILERS": {"default": {"BACKEND": "anymail.backends.mailgun.EmailBackend"}}},
    ],
)
def test_a_server_or_provider_of_the_projects_own_stays(project):
    assert changed(project) == {}


def test_a_project_that_reads_the_variables_keeps_what_it_makes_of_them(monkeypatch):
    monkeypatch.setenv("EMAIL_URL", "smtps://u:p@mail.example.org:587")
    own = {"EMAIL_HOST": "mail.example.org", "EMAIL_PORT": 587, "EMAIL_USE_TLS": True}
    assert changed(own) == {}


def test_a_provider_that_stays_is_reported_where_there_is_an_email_url(monkeypatch):
    monkeypatch.setenv("EMAIL_URL", URL)
    (line,) = mail.risks({"EMAIL_BACKEND": "anymail.backends.mailgun.EmailBackend"})
    assert "EMAIL_URL" in line and "anymail" in line and "cret" not in line


@pytest.mark.parametrize("url", ["mail.example.org", "imap://mail.example.org", "smtp://", "smtp://h:port"])
def test_an_email_url_that_is_none_is_refused_without_its_password(url, monkeypatch):
    monkeypatch.setenv("EMAIL_URL", url)
    with pytest.raises(ConfigurationError) as refused:
        found({})
    (problem,) = refused.value.problems
    assert "EMAIL_URL" in str(problem) and "smtp+tls" in str(problem)


def test_a_dropped_mail_is_reported_once(caplog):
    mail.NoServer._told = False
    with caplog.at_level(logging.WARNING), mail.NoServer(fail_silently=False) as backend:
        assert [backend.send_messages(["a mail"]) for _ in range(3)] == [0, 0, 0]
    (record,) = caplog.records
    assert "EMAIL_URL" in record.getMessage()
