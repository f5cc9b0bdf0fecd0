from django.conf import settings
from django.urls import path
from django.views.generic import TemplateView

urlpatterns = [path("", TemplateView.as_view(template_name="theatre.html", extra_context={"title": settings.TITLE}))]
