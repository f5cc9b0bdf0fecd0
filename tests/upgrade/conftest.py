"""Which revision an upgrade starts from."""

from __future__ import annotations


def pytest_addoption(parser):
    parser.addoption("--revision", default="main~1", help="the commit, branch or tag that is upgraded")
