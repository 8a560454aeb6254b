"""The files of the project agree with each other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from storectl.version import __version__

ROOT = Path(__file__).parents[1]
PINNED = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-build.txt",
    "requirements-audit.txt",
    "requirements-bench.txt",
    "requirements-docs.txt",
)


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def locked() -> set[tuple[str, str]]:
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    return {(package["name"], package["version"]) for package in packages if "version" in package}


def pinned(name: str) -> set[tuple[str, str]]:
    return set(
        re.findall(
            r"^([a-z0-9.-]+)==([^\s;\\]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE
        )
    )


def test_pip_installs_what_uv_locked() -> None:
    assert set().union(*map(pinned, PINNED)) == {
        (name, version) for name, version in locked() if name != "storectl"
    }


@pytest.mark.parametrize("name", PINNED)
def test_every_pinned_package_has_hashes(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    without = [
        entry.split("==")[0]
        for entry in re.split(r"\n(?=[a-z])", text)[1:]
        if "--hash=sha256:" not in entry
    ]
    assert not without


def test_the_lock_names_the_public_index_only() -> None:
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text(encoding="utf-8")))
    assert hosts <= {"pypi.org", "files.pythonhosted.org"}


def test_every_dependency_is_locked() -> None:
    project = pyproject()
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    wanted += [
        requirement
        for group in project["dependency-groups"].values()
        for requirement in group
        if isinstance(requirement, str)  # and not the name of another group
    ]
    assert {re.split(r"[\[<>=!~ ]", requirement)[0].lower() for requirement in wanted} <= {
        name for name, _ in locked()
    }


def test_the_version_has_one_source() -> None:
    assert metadata.version("storectl") == __version__
    assert "version" not in pyproject()["project"]


def test_the_readme_installs_this_version() -> None:
    wheels = re.findall(
        r"storectl-(\S+?)-py3-none-any\.whl", (ROOT / "README.md").read_text("utf-8")
    )
    assert wheels == [__version__]


def test_the_changelog_has_an_entry_for_this_version_or_unreleased() -> None:
    headings = re.findall(
        r"^## \[?([^\]\s]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert headings[0].lower() == "unreleased" or headings[0] == __version__


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel and an sdist of this checkout offline, with the pinned build backend."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(
        build,
        cwd=ROOT,
        env=os.environ | {"SOURCE_DATE_EPOCH": "1577836800"},
        check=True,
        capture_output=True,
        timeout=500,
    )
    return folder


def test_the_wheel_ships_every_file_of_the_packages_and_nothing_else(built: Path) -> None:
    packages = pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    here = {
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert shipped == here
    assert {"migrations/env.py", "migrations/script.py.mako"} <= shipped
    assert {f"{package}/py.typed" for package in packages if package != "migrations"} <= shipped
    assert any(re.fullmatch(r"migrations/versions/0001_\w+\.py", name) for name in shipped)


def test_the_metadata_leads_to_the_project_and_shows_the_readme(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if one.endswith("/METADATA"))
        text = archive.read(name).decode()
    links = dict(re.findall(r"^Project-URL: (\w+), (\S+)$", text, re.MULTILINE))
    assert links.keys() >= {"Homepage", "Documentation", "Changelog", "Issues", "Source"}
    assert all(link.startswith("https://github.com/storectl/storectl") for link in links.values())
    assert "Description-Content-Type: text/markdown" in text
    assert text.endswith((ROOT / "README.md").read_text(encoding="utf-8"))


def test_the_sdist_can_be_tested(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        shipped = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "README.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "mkdocs.yml",
        "requirements.txt",
        "requirements-dev.txt",
        "tests/test_project.py",
        "tests/golden/single-layer.tar",
    } <= shipped


def test_the_container_image_gets_every_package() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    packages = pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert [name for name in packages if f"!{name}" not in lines] == []


GROUP = """
import os, pathlib, pytest

pytestmark = pytest.mark.xdist_group("one")

@pytest.mark.parametrize("number", range(4))
def test_the_group_runs_in_one_process(number):
    pathlib.Path("processes", str(os.getpid())).touch()
"""


def test_the_tests_of_a_group_run_in_one_process(tmp_path: Path) -> None:
    """Versions of pytest and pytest-xdist that do not fit start one engine in each process."""
    (tmp_path / "test_group.py").write_text(GROUP)
    (tmp_path / "processes").mkdir()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n2", "--dist=loadgroup", "test_group.py"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert len(list((tmp_path / "processes").iterdir())) == 1


def test_every_process_names_the_tests_alike(request: pytest.FixtureRequest) -> None:
    """A gzip stream holds the time, an object's default text its address."""
    names = [item.nodeid for item in request.session.items]
    assert [name for name in names if r"\x1f\x8b\x08" in name or " at 0x" in name] == []


@pytest.mark.parametrize("value", ["x" * 101, bytes(17)])
def test_a_long_argument_is_named_by_its_parameter(
    value: str | bytes, request: pytest.FixtureRequest
) -> None:
    assert value
    assert "[value" in request.node.name
