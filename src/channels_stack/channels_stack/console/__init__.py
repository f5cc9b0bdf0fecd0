"""The console: what runs, for the staff of any project, live; and what staff may do about it.

    INSTALLED_APPS = [..., "channels_stack.console"]
    path("console/", include("channels_stack.console.urls"))                      # in the URLs
    path("console/", URLRouter(console.routing.websocket_urlpatterns))            # in the websocket routes

Each page is also a websocket of the same address: it sends the live part of the page again whenever that changes.
"""
