from django.urls import path
from scores.views import table

urlpatterns = [path("", table)]
