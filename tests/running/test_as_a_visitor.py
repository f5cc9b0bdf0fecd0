"""What a visitor gets at each edge, whatever the application is; then the application's own probes."""

import pytest

from channels_stack_deploy.checks import public, visit


@pytest.fixture
def there(running, edge):
    """How the edge is visited."""
    return running.sites[edge]


def test_the_certificate_is_valid(there, edge, domain, right):
    right(public.certificate(there, domain), edge)


def test_a_page_and_a_websocket_are_answered(running, there, edge, right):
    problems = visit.steady(there, "/", running.paths.routes)
    fix = "wanted an answer of the application below 500; see the logs of edge, http and ws"
    right(f"{'; '.join(problems)}; {fix}" if problems else "", edge)


def test_headers_are_right(running, there, edge, right):
    right(public.headers(there, running.settings), edge)


def test_plain_http_leads_to_https(running, there, edge, right):
    if running.plain_port is None:
        pytest.skip("the port of plain HTTP is not known: it is 80 where HTTPS is on 443")
    right(public.redirect(there, running.plain_port), edge)


def test_an_unknown_name_is_refused(there, edge, right):
    right(public.unknown_name(there), edge)


def test_a_static_file_is_delivered(running, there, edge, right):
    if not running.paths.static:
        pytest.skip("no static file of the application is known")
    right(public.static(there, running.paths.static), edge)


def test_a_websocket_is_opened_or_refused(there, edge, route, right):
    right(public.websocket(there, route), edge)


def test_a_probe_of_the_application(running, there, edge, probe, right):
    declared = next(each for each in running.probes if each.title == probe)
    with visit.guests(there, running.folder, running.probes) as guests:
        try:
            problem = visit.tried(guests, declared)
        except visit.Unreadable as unreadable:
            pytest.skip(str(unreadable))
    right(problem, edge)
