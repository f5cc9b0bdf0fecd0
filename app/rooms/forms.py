"""The form that makes a room."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import slugify

from .models import Room


class RoomForm(forms.ModelForm):
    """Asks for a name; the address is made of it."""

    class Meta:
        model = Room
        fields = ("name",)

    def clean_name(self):
        """A name of which an address that is still free can be made."""
        name = " ".join(self.cleaned_data["name"].split())
        self.instance.slug = slugify(name)[: Room._meta.get_field("slug").max_length].strip("-")
        if not self.instance.slug:
            raise ValidationError("Use letters from a to z or digits: the room's address is made of them.")
        if Room.objects.filter(slug=self.instance.slug).exists():
            raise ValidationError("There is a room with this name already.")
        return name
