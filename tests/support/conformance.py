"""The conformance program of the distribution specification: its build with Go and its runs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE: Final = "github.com/opencontainers/distribution-spec/conformance"
VERSION: Final = "v0.0.0-20260831232431-97274622c111"
"""The version of the program: the commit of 2026-08-31, because the program has no releases."""

GO: Final = "1.24"
"""The oldest version of Go that builds the program."""

FIND_GO: Final = Path(__file__).parents[2] / "scripts" / "find_go.sh"


def build(folder: Path) -> Path:
    """Build the conformance program in ``folder``; return the program's path.

    Without Go the test is skipped. With STORECTL_INTEROP=1 the test fails instead.
    """
    found = subprocess.run(
        [str(FIND_GO), GO], capture_output=True, text=True, timeout=600, check=False
    )
    if found.returncode:
        message = f"this test needs go (Debian: golang-go): {found.stderr}"
        if os.environ.get("STORECTL_INTEROP"):
            pytest.fail(f"{message}, and STORECTL_INTEROP says that it must run", pytrace=False)
        pytest.skip(message)
    environment = {
        **os.environ,
        "HOME": os.environ.get("STORECTL_GO_HOME", str(folder)),
        "GOBIN": str(folder),
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "local",
    }
    _run([found.stdout.strip(), "install", f"{MODULE}@{VERSION}"], environment)
    return folder / "conformance"


def _run(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=900, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@final
class Result:
    """The result of one run, read from the program's standard output.

    In some modes the program fails to write its result files.
    """

    def __init__(self, report: str) -> None:
        self.report = report
        totals = report.partition("Test totals:")[2] or report.partition("Status:")[2] or report
        self.counts = {
            name: int(count)
            for name, count in re.findall(
                r"^  (Pass|Skip|FAIL|Error|Disabled|Total)\.+: +([0-9]+)$", totals, re.MULTILINE
            )
        }

    @property
    def not_passed(self) -> list[str]:
        """The names of the tests that failed or were skipped."""
        return re.findall(
            r"^ *(OCI Conformance Test.*: (?:FAIL|Skip|Error))$", self.report, re.MULTILINE
        )


def run(program: Path, folder: Path, host: str, **options: str) -> Result:
    """Run the program against the registry at ``host``.

    Args:
        program: The program from `build`.
        folder: Receives the program's result files.
        host: Host and port of the registry.
        **options: The program's ``OCI_`` options, in lower case and without the prefix.
    """
    folder.mkdir(exist_ok=True)
    environment = {
        "PATH": os.defpath,
        "OCI_REGISTRY": host,
        "OCI_TLS": "disabled",
        "OCI_REPO1": "conformance/repo1",
        "OCI_REPO2": "conformance/repo2",
        "OCI_RESULTS_DIR": str(folder),
        **{f"OCI_{name.upper()}": value for name, value in options.items()},
    }
    done = subprocess.run(
        [str(program)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=folder,
    )
    return Result(done.stdout)
