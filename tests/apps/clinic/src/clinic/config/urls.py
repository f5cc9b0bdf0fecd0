from django.urls import path
from clinic.wards.views import board

urlpatterns = [path("board/", board)]
