"""The figures of the trials, at the end."""

from __future__ import annotations


def pytest_terminal_summary(terminalreporter):
    import test_presence
    import test_trials

    figures = [*test_trials.figures, *test_presence.figures]
    if figures:
        terminalreporter.section("trials")
        for line in figures:
            terminalreporter.write_line(line)
