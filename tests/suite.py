"""Run a suite, and the files of what failed a second time, alone: python tests/suite.py PATH… [options of pytest].

A test that fails in company and passes alone is unstable: it depends on the time that something takes. Such a test is a fault,
but not a reason to reject a change that has nothing to do with it. It is printed at the end as unstable, so that it is mended.
More than FEW files with failures are no coincidence and are not run again, nor is anything where more went wrong than
tests: a file that cannot be read, or too little that was covered.

Exit code: that of pytest; 0 where all files passed alone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FEW = 3


class Failures:
    """The tests that failed, each with its file."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.root = Path()
        self.reports = 0
        self.others = 0
        """What failed and is no test."""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Names of tests begin at this folder."""
        self.root = config.rootpath

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for each test, also where processes of their own run them."""
        if report.failed:
            self.reports += 1
            self.files[report.nodeid] = self.root / report.nodeid.partition("::")[0]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Called at the end, when all has been counted."""
        self.others = session.testsfailed - self.reports


def main() -> int:
    """Run the suite once, and its failed files once more."""
    first = next((place for place, word in enumerate(sys.argv) if word.startswith("-")), len(sys.argv))
    paths, options = sys.argv[1:first], sys.argv[first:]
    failures = Failures()
    code = int(pytest.main([*paths, *options], plugins=[failures]))
    files = sorted({str(file) for file in failures.files.values()})
    if code != pytest.ExitCode.TESTS_FAILED or failures.others or not files or len(files) > FEW:
        return code
    print(f"\nagain, alone: {' '.join(files)}", flush=True)
    # Coverage is that of the whole suite.
    kept = [option for option in options if not option.startswith("--cov")]
    command = [sys.executable, "-m", "pytest", *kept, "--numprocesses=0", "--dist=no", *files]
    code = subprocess.run(command, check=False).returncode
    if code == 0:
        print(
            "\n".join(["unstable (failed, passed alone):", *(f"  {name}" for name in failures.files)]),
            flush=True,
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
