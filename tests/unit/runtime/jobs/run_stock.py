"""Channels' own worker, saying that it has begun: as process 1 nothing else can be asked about it."""

import django
from django.core.management import call_command

if __name__ == "__main__":
    django.setup()
    print("stock listens", flush=True)
    call_command("runworker", "thumbnails", layer="tasks")
