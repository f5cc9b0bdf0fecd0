"""manage.py demo: something to look at after the first start."""

from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from rooms.models import Room


class Command(BaseCommand):
    """Make the room "lobby" and the first user, if they do not exist. What exists is not changed."""

    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--username", required=True, help="the first user, who is an administrator")
        parser.add_argument(
            "--password-file", required=True, type=Path, help="file that holds the password and nothing else"
        )

    def handle(self, *, username, password_file, **options):
        user_model = get_user_model()
        with transaction.atomic():
            room, made = Room.objects.get_or_create(slug="lobby", defaults={"name": "Lobby"})
            self._say(f"room {room.slug}", made)
            made = not user_model.objects.filter(username=username).exists()
            if made:
                user_model.objects.create_superuser(username, password=_password(password_file))
            self._say(f"user {username}", made)

    def _say(self, thing: str, made: bool):
        self.stdout.write(f"{thing}: {'made' if made else 'was there already, not changed'}")


def _password(path: Path) -> str:
    try:
        password = path.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--password-file {path} cannot be read: {error}") from None
    if len(password) < 8:
        raise CommandError(f"--password-file {path}: the password must have at least 8 characters")
    return password
