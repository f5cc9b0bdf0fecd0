from django.conf import settings
from django.contrib import admin
from django.urls import path
from django.views.generic import TemplateView

urlpatterns = [
    path("", TemplateView.as_view(template_name="orders.html"), name="home"),
    path(settings.ADMIN_URL, admin.site.urls),
]
