"""A Django project that takes uploads and says how long they are; this module is its settings as well."""

SECRET_KEY = "only for tests, " * 5
ALLOWED_HOSTS = ["*"]
DATABASES: dict = {}
ROOT_URLCONF = "uploading"
urlpatterns: list = []


def application(scope, receive, send):
    """Made when it is first called: Django reads this module before it is whole."""
    if not urlpatterns:
        from django.core.asgi import get_asgi_application
        from django.http import HttpResponse
        from django.urls import path

        def upload(request):
            return HttpResponse(sum(len(chunk) for chunk in request.FILES["file"].chunks()))

        urlpatterns.extend([path("upload/", upload), path("", lambda request: HttpResponse("ready"))])
        application.handler = get_asgi_application()
    return application.handler(scope, receive, send)
