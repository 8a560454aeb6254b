"""The bill of materials names what the lock pins, and is valid and reproducible."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts import sbom

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "uv.lock").read_text(encoding="utf-8")
RELEASED = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture(scope="module")
def text() -> str:
    return sbom.document(LOCK, "1.2.3", RELEASED)


@pytest.fixture(scope="module")
def bill(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_it_is_valid(text: str, bill: dict[str, Any]) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    wrong = text.replace('"type": "library"', '"type": "book"', 1)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(wrong) is not None


def test_two_runs_write_equal_files(text: str) -> None:
    assert sbom.document(LOCK, "1.2.3", RELEASED) == text
    assert sbom.document(LOCK, "1.2.4", RELEASED) != text


def test_it_describes_the_release(bill: dict[str, Any]) -> None:
    about = bill["metadata"]["component"]
    assert (about["name"], about["version"], about["type"]) == ("storectl", "1.2.3", "application")
    assert about["purl"] == "pkg:github/storectl/storectl@v1.2.3"
    assert bill["metadata"]["timestamp"].startswith("2026-11-29T00:00:00")


def test_it_lists_what_pip_installs(bill: dict[str, Any]) -> None:
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pinned = re.findall(r"^([a-z0-9.-]+)==([^\s;\\]+)", requirements, re.MULTILINE)
    listed = [(one["name"], one["version"]) for one in bill["components"]]
    assert sorted(listed) == sorted(pinned)
    assert [one["purl"] for one in bill["components"]] == [f"pkg:pypi/{n}@{v}" for n, v in listed]


def test_every_file_of_a_package_has_the_digest_of_the_lock(bill: dict[str, Any]) -> None:
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    listed = {
        (hashed["alg"], hashed["content"])
        for component in bill["components"]
        for link in component["externalReferences"]
        if link["type"] == "distribution"
        for hashed in link["hashes"]
    }
    assert listed == {
        ("SHA-256", digest) for digest in re.findall(r"--hash=sha256:([0-9a-f]{64})", requirements)
    }


def test_every_package_has_a_licence(bill: dict[str, Any]) -> None:
    assert not [one["name"] for one in bill["components"] if not one.get("licenses")]


def test_it_shows_which_package_needs_which(bill: dict[str, Any]) -> None:
    needs = {one["ref"]: set(one.get("dependsOn", ())) for one in bill["dependencies"]}
    versions = {one["name"]: one["bom-ref"] for one in bill["components"]}
    assert needs.keys() == {"storectl", *versions.values()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert needs["storectl"] == {
        versions[re.split(r"[<>=; ]", wanted)[0]] for wanted in project["dependencies"]
    }
    assert versions["multidict"] in needs[versions["yarl"]]


def test_packages_that_only_some_platforms_need_are_optional(bill: dict[str, Any]) -> None:
    scopes = {one["name"]: one["scope"] for one in bill["components"]}
    assert (scopes["aiohttp"], scopes["yarl"], scopes["uvloop"]) == (
        "required",
        "required",
        "optional",
    )


@pytest.mark.parametrize(
    ("changelog", "date"),
    [
        ("## 1.2.3 - 2026-11-29\n", RELEASED),
        ("## Unreleased\n## 1.2.2 - 2026-01-01\n", None),
    ],
)
def test_the_changelog_has_the_date_of_the_release(changelog: str, date: datetime | None) -> None:
    assert sbom.release_date(changelog, "1.2.3") == date
