"""What staff may look at and change by hand."""

from django.contrib import admin

from .models import Message, Report, Room


@admin.register(Room)
class RoomAdmin(admin.ModelAdmin):
    """Rooms."""

    list_display = ("name", "slug", "last_sequence", "created")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that are made by what happens in a room: changed by hand, sequences would no longer be true."""

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """Messages."""

    list_display = ("room", "sequence", "author", "text", "created")
    list_filter = ("room",)
    list_select_related = ("room", "author")
    search_fields = ("text", "author__username")


@admin.register(Report)
class ReportAdmin(ReadOnlyAdmin):
    """Reports."""

    list_display = ("pk", "message", "state", "progress", "attempts", "updated")
    list_filter = ("state",)
    list_select_related = ("message",)
