"""The figures of the trials, at the end."""

from __future__ import annotations


def pytest_terminal_summary(terminalreporter):
    import test_trials

    if test_trials.figures:
        terminalreporter.section("trials")
        for line in test_trials.figures:
            terminalreporter.write_line(line)
