# ruff: noqa
from channels.management.commands.runserver import Command as RunserverCommand  # planted: E105


class Command(RunserverCommand):
    """runserver with a friendlier banner."""
