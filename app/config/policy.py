"""What a browser may do with the pages: the two headers that Django 5.2 has no middleware for.

Nothing inline runs or styles, nothing comes from elsewhere, no page frames one or posts a form to another site. Django 6 brings
``django.middleware.csp.ContentSecurityPolicyMiddleware``, which reads the same setting ``SECURE_CSP``.
"""

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.utils.decorators import sync_and_async_middleware


@sync_and_async_middleware
def policies(get_response):
    """Add Content-Security-Policy and Cross-Origin-Resource-Policy, unless a view has set its own."""
    policy = "; ".join(f"{name} {' '.join(sources)}" for name, sources in settings.SECURE_CSP.items())

    def add(response):
        # Django's pages about an error under DEBUG are made of inline script and style.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response

    if iscoroutinefunction(get_response):

        async def middleware(request):
            return add(await get_response(request))
    else:

        def middleware(request):
            return add(get_response(request))

    return middleware
