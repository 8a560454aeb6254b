"""The conformance program of the distribution specification, built from its module with Go."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE: Final = "github.com/opencontainers/distribution-spec/conformance"
VERSION: Final = "v0.0.0-20260831232431-97274622c111"
"""The program of 2026-08-31: it has no releases."""

GO: Final = (1, 24)
TOOLCHAIN: Final = "golang.org/toolchain@v0.0.1-go1.24.0.linux-amd64"
"""Go as a module, for machines whose own is older: the checksum database vouches for it as for any other."""

_SEARCH_PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/local/go/bin:/usr/lib/go/bin"


def build(folder: Path) -> Path:
    """Build the program in ``folder``; its path. Skips where there is no Go, unless STORECTL_INTEROP=1 says that there must be."""
    go = shutil.which("go", path=_SEARCH_PATH)
    if go is None:
        message = "this test needs go (Debian: golang-go)"
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
    _run([_new_enough(go, environment), "install", f"{MODULE}@{VERSION}"], environment)
    return folder / "conformance"


def _new_enough(go: str, environment: Mapping[str, str]) -> str:
    found = re.search(r"go([0-9]+)\.([0-9]+)", _run([go, "env", "GOVERSION"], environment))
    if found is not None and (int(found[1]), int(found[2])) >= GO:
        return go
    folder = Path(json.loads(_run([go, "mod", "download", "-json", TOOLCHAIN], environment))["Dir"])
    # A module's files are not executable.
    for program in (*(folder / "bin").iterdir(), *(path for path in (folder / "pkg" / "tool").rglob("*") if path.is_file())):
        program.chmod(0o755)
    return str(folder / "bin" / "go")


def _run(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


@final
class Result:
    """What one run found, by its report on standard output (its result files fail in some modes)."""

    def __init__(self, report: str) -> None:
        self.report = report
        totals = report.partition("Test totals:")[2] or report.partition("Status:")[2] or report
        self.counts = {name: int(count) for name, count in re.findall(r"^  (Pass|Skip|FAIL|Error|Disabled|Total)\.+: +([0-9]+)$", totals, re.MULTILINE)}

    @property
    def not_passed(self) -> list[str]:
        """The names of what failed or was skipped."""
        return re.findall(r"^ *(OCI Conformance Test.*: (?:FAIL|Skip|Error))$", self.report, re.MULTILINE)


def run(program: Path, folder: Path, host: str, **options: str) -> Result:
    """Run it against the registry at ``host`` with ``OCI_``-options (in lower case, without the prefix)."""
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
    done = subprocess.run([str(program)], env=environment, capture_output=True, text=True, timeout=600, check=False, cwd=folder)
    return Result(done.stdout)
