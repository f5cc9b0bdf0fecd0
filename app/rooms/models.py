"""What is stored: rooms, their messages, and reports. Who is present is in the channel layer."""

from django.conf import settings
from django.core.validators import MinLengthValidator
from django.db import models
from django.urls import reverse

LONGEST_TEXT = 2000  # characters of a message
LONGEST_NONCE = 64  # characters


class Room(models.Model):
    """A place where messages are numbered 1, 2, 3 …, without holes."""

    slug = models.SlugField("address", max_length=50, unique=True)
    name = models.CharField(max_length=80, validators=[MinLengthValidator(2)])
    last_sequence = models.PositiveBigIntegerField(default=0, editable=False)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("room", args=[self.slug])

    @property
    def group(self):
        """The channel layer group of everyone in the room. The key, because a slug may change."""
        return f"room.{self.pk}"

    @property
    def typing_group(self):
        """The same people, for frames that are worth nothing later: without a history (settings.CHANNEL_LAYERS)."""
        return f"typing.{self.pk}"


class Message(models.Model):
    """What a person wrote. ``nonce`` is the client's own name for it: sending it again does no harm."""

    room = models.ForeignKey(Room, models.CASCADE, related_name="messages")
    sequence = models.PositiveBigIntegerField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    text = models.CharField(max_length=LONGEST_TEXT)
    nonce = models.CharField(max_length=LONGEST_NONCE)
    created = models.DateTimeField()

    class Meta:
        ordering = ("room", "sequence")
        constraints = (
            models.UniqueConstraint(fields=("room", "sequence"), name="one_message_per_sequence"),
            models.UniqueConstraint(fields=("room", "author", "nonce"), name="one_message_per_nonce"),
        )

    def __str__(self):
        return f"{self.room_id}#{self.sequence}"


class Report(models.Model):
    """A job of the worker, ordered by the message "/report". ``updated`` is when it moved on."""

    class State(models.TextChoices):
        """The way of a report; it goes back from running to queued when its worker is gone."""

        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    message = models.OneToOneField(Message, models.CASCADE, related_name="report")
    state = models.CharField(max_length=7, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    progress = models.PositiveSmallIntegerField(default=0)  # per cent
    result = models.TextField(blank=True)
    updated = models.DateTimeField(db_index=True)

    def __str__(self):
        return f"report {self.pk} ({self.state})"

    @property
    def lines(self):
        """The result as pairs of title and text."""
        return [line.partition(": ")[::2] for line in self.result.splitlines()]
