"""Sync files of skopeo: registries with images, and images by expressions or versions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from remote.sync.files.fields import Fields, digest_or_tag
from remote.sync.filters.regex import Regex
from remote.sync.filters.tag_filter import TagFilter
from remote.sync.filters.versions import VersionRange
from remote.sync.sources import USUAL, Access, Place, Source, SyncFile
from store.model.digests import Digest
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from remote.sync.files.yaml_tree import Tree

KEYS: Final = (
    "images",
    "images-by-tag-regex",
    "images-by-semver",
    "credentials",
    "tls-verify",
    "cert-dir",
)
"""The keys of a registry."""


def read_skopeo(tree: Tree, file: str, name: str, folder: Path) -> SyncFile:
    """Return what a sync file of skopeo lists.

    Args:
        tree: The content of the file.
        file: The name of the file, for messages.
        name: The name of the sync.
        folder: The folder to which relative paths refer.

    Raises:
        InvalidInput: The file is not valid.
    """
    top = Fields(file, tree, "a table of registries")
    sources: list[Source] = []
    for registry in top.keys():  # noqa: SIM118 - not a dictionary
        table = top.table(registry, f"the registry {registry[:80]!r}")
        if table is not None:
            table.only(KEYS)
            sources += _registry(table, registry, folder)
    return SyncFile(name, tuple(sources))


def _registry(fields: Fields, registry: str, folder: Path) -> Iterator[Source]:
    access = _access(fields, folder)

    def source(table: Fields, image: str) -> Source:
        text = f"{registry}/{image}"
        reference = table.parsed(image[:80], table.line_of(image), lambda: Reference.parse(text))
        if not reference.is_name_only:
            raise table.error(image[:80], "expected the name of a repository without a tag")
        found = reference.repository
        return Source(found, Place(found), table.name, table.line_of(image), access=access)

    images = fields.table("images", "a table of images")
    for image in () if images is None else images.keys():
        assert images is not None  # noqa: S101 - it has keys
        named = [
            images.parsed(image[:80], line, lambda one=text: digest_or_tag(one))  # type: ignore[misc]
            for line, text in images.texts(image)
        ]
        one = source(images, image)
        if not named:
            yield replace(one, filter=TagFilter())
        else:
            digests = tuple(each for each in named if isinstance(each, Digest))
            tags = tuple(each for each in named if isinstance(each, str))
            yield replace(one, tags=tags, digests=digests)
    for key in ("images-by-tag-regex", "images-by-semver"):
        table = fields.table(key, "a table of images")
        for image in () if table is None else table.keys():
            assert table is not None  # noqa: S101 - it has keys
            text = table.required(image)
            line = table.line_of(image)
            if key == "images-by-semver":
                versions = table.parsed(image, line, lambda one=text: VersionRange.parse(one))  # type: ignore[misc]
                yield replace(source(table, image), filter=TagFilter(versions=(versions,)))
            else:
                regex = table.parsed(image, line, lambda one=text: Regex(one))  # type: ignore[misc]
                yield replace(source(table, image), filter=TagFilter(regexes=(regex,)))


def _access(fields: Fields, folder: Path) -> Access:
    credentials = fields.table("credentials", "a table of credentials")
    username = password = ""
    if credentials is not None:
        credentials.only(("username", "password"))
        username = credentials.text("username") or ""
        password = credentials.text("password") or ""
        if password and not username:
            raise credentials.error("password", "it needs a username")
    tls_verify = fields.flag("tls-verify") if "tls-verify" in fields else None
    found = Access(username, password, tls_verify, cert_dir=fields.path("cert-dir", folder))
    return USUAL if found == USUAL else found
