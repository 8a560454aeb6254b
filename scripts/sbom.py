"""Write the bill of materials of a release (`make sbom`): CycloneDX 1.6, as JSON.

The document lists storectl and the packages that it needs, as uv.lock pins them, with the digests
of their files and the dependencies between them. The installed packages state the licences. The
document depends only on the checkout, so two runs write equal files.
"""

from __future__ import annotations

import re
import sys
import tomllib
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.contrib.this.builders import this_component
from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    XsUri,
)
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from storectl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import PackageMetadata

ROOT: Final = Path(__file__).parents[1]
PROJECT: Final = "https://github.com/storectl/storectl"

Package = dict[str, Any]
"""An entry of uv.lock."""


def main(folder: Path) -> int:
    """Write the bill of materials into a folder; return the exit code."""
    released = release_date((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), __version__)
    if released is None:
        print(f"cannot write it: CHANGELOG.md has no date for {__version__}", file=sys.stderr)
        return 1
    text = document((ROOT / "uv.lock").read_text(encoding="utf-8"), __version__, released)
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        print(f"invalid bill of materials: {problem}", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"storectl-{__version__}.cdx.json"
    target.write_text(text, encoding="utf-8")
    print(target)
    return 0


def release_date(changelog: str, version: str) -> datetime | None:
    """Return the date of a version's entry in the changelog; None if it has no date yet."""
    found = re.search(rf"^## {re.escape(version)} - (\S+)$", changelog, re.MULTILINE)
    return datetime.fromisoformat(found[1]).replace(tzinfo=UTC) if found else None


def document(lock: str, version: str, released: datetime) -> str:
    """Return the bill of materials of a version, as JSON.

    Args:
        lock: The text of uv.lock.
        version: The version of storectl.
        released: When the version was released.
    """
    packages = {package["name"]: package for package in tomllib.loads(lock)["package"]}
    needed = _reached(packages, everywhere=False) - {"storectl"}
    everywhere = _reached(packages, everywhere=True)
    root = Component(
        name="storectl",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref="storectl",
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
        purl=PackageURL("github", "storectl", "storectl", f"v{version}"),
        external_references=[ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(PROJECT))],
    )
    components = {
        name: _component(packages[name], everywhere=name in everywhere) for name in sorted(needed)
    }
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, f"{PROJECT}\n{version}\n{lock}"),
        metadata=BomMetaData(component=root, timestamp=released),
        components=components.values(),
    )
    bom.metadata.tools.components.add(this_component())
    for name, component in {"storectl": root, **components}.items():
        bom.register_dependency(
            component,
            [components[entry["name"]] for entry in packages[name].get("dependencies", ())],
        )
    return f"{JsonV1Dot6(bom).output_as_string(indent=2)}\n"


def _reached(packages: Mapping[str, Package], *, everywhere: bool) -> set[str]:
    """Return the packages that storectl needs, itself included.

    Args:
        packages: The packages of the lock by name.
        everywhere: Leave out packages that only some platforms or Python versions need.
    """
    found: set[str] = set()
    pending = ["storectl"]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += (
                entry["name"]
                for entry in packages[name].get("dependencies", ())
                if not (everywhere and "marker" in entry)
            )
    return found


def _component(package: Package, *, everywhere: bool) -> Component:
    return Component(
        name=package["name"],
        version=package["version"],
        type=ComponentType.LIBRARY,
        bom_ref=f"{package['name']}@{package['version']}",
        scope=ComponentScope.REQUIRED if everywhere else ComponentScope.OPTIONAL,
        licenses=[
            LicenseFactory().make_from_string(text)
            for text in _licences(metadata.metadata(package["name"]))
        ],
        purl=PackageURL("pypi", name=package["name"], version=package["version"]),
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(file["url"]),
                hashes=[_hash(file["hash"])],
            )
            for file in (package["sdist"], *package.get("wheels", ()))
        ],
    )


def _hash(text: str) -> HashType:
    """Return the hash that uv.lock writes as ``sha256:…``."""
    _, _, content = text.partition(":")
    return HashType(alg=HashAlgorithm.SHA_256, content=content)


def _licences(said: PackageMetadata) -> list[str]:
    """Return the licence that a package states: the new field, the old field or the classifiers."""
    for field in ("License-Expression", "License"):
        if field in said and "\n" not in said[field]:
            return [said[field]]
    return [
        text.rpartition(" :: ")[2]
        for text in said.get_all("Classifier", [])
        if text.startswith("License :: ")
    ]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")))
