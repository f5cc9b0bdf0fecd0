"""A cache that swallows errors, as those do whose clients ignore exceptions: while it is away, it has nothing."""

import os

from django.core.cache.backends.filebased import FileBasedCache


class Cache(FileBasedCache):
    """Away while the file LOCATION exists. What it has lies beside that, for all processes."""

    def __init__(self, location, params):
        super().__init__(f"{location}.cache", params)
        self.location = location

    def get(self, key, default=None, version=None):
        return default if os.path.exists(self.location) else super().get(key, default, version)

    def set(self, *arguments, **options):
        if not os.path.exists(self.location):
            super().set(*arguments, **options)
