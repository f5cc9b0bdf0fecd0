"""Pages through the edge: signing in, static files, what may be cached, what only insiders may read."""

import re

import pytest
from visitors import sign_in

HASHED = re.compile(r'"(/static/[^"]+\.[0-9a-f]{12}\.[a-z0-9]+)"')
YEAR = 31536000

INSIDE_PATHS = [
    "/-/ready",
    "/-/live",
    "/-/metrics",
    "/-/",
    "/-",
    "//-/ready",
    "/%2d/ready",
    "/-%2fready",
    "/%2D%2Fmetrics",
    "/./-/ready",
    "/static/../-/ready",
    "/static/%2e%2e/-/ready",
    "/-/ready?x=1",
    "/-;x/ready",
    "\\-\\ready",
]


@pytest.fixture
def hashed_file(visitor):
    """The path of a static file with a hash in its name, as the login page names it."""
    page = visitor.get("/login/")
    found = HASHED.search(page.text)
    assert found, f"the login page names no hashed static file:\n{page.text[:500]}"
    return found[1]


def test_sign_in_over_the_edge(stack, visitor):
    answer = sign_in(visitor, stack.user, stack.password)
    assert (answer.status_code, answer.headers.get("location")) == (302, "/"), answer.text[:500]
    assert stack.user in visitor.get("/").text


def test_session_cookie_is_kept_from_scripts_and_plain_http(stack, visitor):
    answer = sign_in(visitor, stack.user, stack.password)
    session = [line for line in answer.headers.get_list("set-cookie") if line.startswith("sessionid=")]
    assert len(session) == 1 and "Secure" in session[0] and "HttpOnly" in session[0], session


def test_wrong_password_does_not_sign_in(stack, visitor):
    answer = sign_in(visitor, stack.user, stack.password + "x")
    assert answer.status_code == 200 and "sessionid" not in visitor.cookies, answer.text[:500]


def test_form_without_csrf_token_is_refused(stack, visitor):
    answer = visitor.post("/login/", data={"username": stack.user, "password": stack.password})
    assert answer.status_code == 403 and "sessionid" not in visitor.cookies, answer.text[:500]


def test_form_from_a_foreign_page_is_refused(stack, visitor):
    visitor.get("/login/")
    form = {
        "csrfmiddlewaretoken": visitor.cookies["csrftoken"],
        "username": stack.user,
        "password": stack.password,
    }
    answer = visitor.post("/login/", data=form, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403 and "sessionid" not in visitor.cookies, answer.text[:500]


def test_page_of_a_stranger_leads_to_sign_in(visitor):
    answer = visitor.get("/")
    assert (answer.status_code, answer.headers.get("location")) == (302, "/login/?next=/")


def test_page_of_a_member_is_never_cached(member):
    first, second = member.get("/"), member.get("/")
    assert "no-store" in first.headers["cache-control"], first.headers
    assert "x-cache" not in second.headers, second.headers


def test_console_is_for_staff(visitor):
    assert visitor.get("/console/processes.json").status_code in (302, 403)


def test_hashed_file_is_immutable(visitor, hashed_file):
    rules = visitor.get(hashed_file).headers["cache-control"]
    assert "immutable" in rules and int(re.search(r"max-age=(\d+)", rules)[1]) >= YEAR, rules


def test_hashed_file_comes_from_the_edge_the_second_time(visitor, hashed_file):
    first, second = visitor.get(hashed_file), visitor.get(hashed_file)
    assert second.status_code == 200 and second.headers.get("x-cache") == "hit", second.headers
    assert second.content == first.content


def test_part_of_a_file_that_the_edge_keeps(visitor, hashed_file):
    whole = [visitor.get(hashed_file) for _ in range(2)][1]
    part = visitor.get(hashed_file, headers={"Range": "bytes=1-9"})
    assert (part.status_code, part.content) == (206, whole.content[1:10]), part.headers


def test_file_without_hash_is_not_kept_for_a_year(visitor, hashed_file):
    plain = re.sub(r"\.[0-9a-f]{12}(?=\.[a-z0-9]+$)", "", hashed_file)
    answer = visitor.get(plain)
    rules = answer.headers.get("cache-control", "")
    assert answer.status_code == 200 and "immutable" not in rules, answer.headers
    assert int(re.search(r"max-age=(\d+)", rules)[1]) <= 3600, rules


def test_missing_static_file_is_404(visitor):
    assert visitor.get("/static/rooms/nothing.000000000000.css").status_code == 404


@pytest.mark.parametrize("path", INSIDE_PATHS)
def test_probes_are_out_of_reach(request_as_is, path):
    answer = request_as_is("GET", path)
    assert answer.status in (400, 404), f"{path}: {answer.status}\n{answer.body[:300]}"
    assert b"ready" not in answer.body and b"channels_stack" not in answer.body, answer.body[:300]


def test_a_load_balancer_learns_that_the_edge_serves_and_nothing_more(request_as_is):
    answer = request_as_is("GET", "/-/edge")
    assert (answer.status, answer.body) == (200, b"edge\n")


def test_probes_are_out_of_reach_in_absolute_form(request_as_is, stack):
    answer = request_as_is("GET", f"{stack.url}/-/ready")
    assert answer.status in (400, 404) and b"ready" not in answer.body, (answer.status, answer.body[:300])
