from django.shortcuts import render
from django.urls import path

urlpatterns = [path("shop/", lambda request: render(request, "shop.html"))]
