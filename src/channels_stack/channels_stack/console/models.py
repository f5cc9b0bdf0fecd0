"""No table: Django keeps permissions by model, and an administrator gives them like any other."""

from __future__ import annotations

from django.db import models


class Console(models.Model):
    """What the permissions of the console hang on."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = (
            ("view", "Can see the console"),
            ("act", "Can close sockets, and retry and drop jobs"),
            ("reveal", "Can see what dead letters hold"),
        )
