from django.core.management import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Fails when told to."

    def add_arguments(self, parser):
        parser.add_argument("--fail", action="store_true")
        parser.add_argument("--name", default="")

    def handle(self, *, fail, name, **options):
        if fail:
            raise CommandError("demo: told to fail")
        self.stdout.write(f"demo for {name}")
