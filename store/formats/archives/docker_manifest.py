"""``manifest.json`` and ``repositories``, the files that list the images of a Docker archive.

Docker reads only the first JSON value in each file.

Source: docker-archive.md §3, §6 and §7; moby v20.10, image/tarexport.
"""

# ruff: noqa: RUF009 - `member` returns a dataclass field, as `dataclasses.field` does

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, final

from store.formats.golang.containers import ListOf, MapOf, Pointer
from store.formats.golang.json import parse_first
from store.formats.golang.structs import Struct, member, unmarshal
from store.formats.golang.types import INTEGER, STRING
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.model.limits import Limits


@final
@dataclass(frozen=True, slots=True)
class SourcePlatform:
    """The platform in a layer's descriptor, with unchecked values.

    Source: OCI image-spec, descriptor.md.
    """

    architecture: str = member("architecture", STRING)
    os: str = member("os", STRING)
    os_version: str = member("os.version", STRING, omit_empty=True)
    os_features: tuple[str, ...] | None = member("os.features", ListOf(STRING), omit_empty=True)
    variant: str = member("variant", STRING, omit_empty=True)


@final
@dataclass(frozen=True, slots=True)
class LayerSource:
    """The source of a layer: Docker's ``distribution.Descriptor``.

    Only the types of the members are checked; ``digest`` may be any text.
    """

    media_type: str = member("mediaType", STRING, omit_empty=True)
    size_bytes: int = member("size", INTEGER, omit_empty=True)
    digest: str = member("digest", STRING, omit_empty=True)
    urls: tuple[str, ...] | None = member("urls", ListOf(STRING), omit_empty=True)
    annotations: Mapping[str, str] | None = member("annotations", MapOf(STRING), omit_empty=True)
    platform: SourcePlatform | None = member(
        "platform", Pointer(Struct(SourcePlatform)), omit_empty=True
    )

    def encode(self) -> bytes:
        """Return the JSON that Docker writes for this source."""
        return _SOURCE.write(self)


_SOURCE: Final = Struct(LayerSource)


@final
@dataclass(frozen=True, slots=True)
class _Item:
    config: str = member("Config", STRING)
    repo_tags: tuple[str, ...] | None = member("RepoTags", ListOf(STRING))
    layers: tuple[str, ...] | None = member("Layers", ListOf(STRING))
    parent: str = member("Parent", STRING, omit_empty=True)
    layer_sources: Mapping[str, LayerSource] | None = member(
        "LayerSources", MapOf(_SOURCE), omit_empty=True
    )


_MANIFEST: Final = ListOf(Struct(_Item))
_REPOSITORIES: Final = MapOf(MapOf(STRING))


@final
@dataclass(frozen=True, slots=True)
class ArchiveImage:
    """One entry of ``manifest.json``, with paths, names and IDs as written and unchecked.

    ``layers`` are base first. ``repo_tags`` is empty if the list in
    the file is absent, null or empty.
    """

    config: str
    repo_tags: tuple[str, ...]
    layers: tuple[str, ...]
    parent: str
    layer_sources: Mapping[str, LayerSource]


def parse_manifest(
    data: bytes, limits: Limits = DEFAULT_LIMITS, *, document: str = "manifest.json"
) -> tuple[ArchiveImage, ...]:
    """Parse the bytes of ``manifest.json``.

    Args:
        data: The file's bytes.
        limits: Ceilings for the size, nesting and memory of the JSON.
        document: The file's name in errors.

    Returns:
        The entries, in the order of the file. Empty for null and ``[]``.

    Raises:
        InvalidDocument: The file does not begin with a JSON array of image entries.
        TooLarge: The file exceeds a ceiling for JSON.
    """
    items = (
        unmarshal(_MANIFEST, parse_first(data, limits, document=document), document=document) or ()
    )
    return tuple(
        ArchiveImage(
            config=item.config,
            repo_tags=item.repo_tags or (),
            layers=item.layers or (),
            parent=item.parent,
            layer_sources=item.layer_sources or MappingProxyType({}),
        )
        for item in items
    )


def parse_repositories(
    data: bytes, limits: Limits = DEFAULT_LIMITS, *, document: str = "repositories"
) -> Mapping[str, Mapping[str, str]]:
    """Parse the bytes of ``repositories``.

    Args:
        data: The file's bytes.
        limits: Ceilings for the size, nesting and memory of the JSON.
        document: The file's name in errors.

    Returns:
        The v1 ID for each tag of each name, as written and unchecked.

    Raises:
        InvalidDocument: The file does not begin with a JSON object of objects of strings.
        TooLarge: The file exceeds a ceiling for JSON.
    """
    repositories = (
        unmarshal(_REPOSITORIES, parse_first(data, limits, document=document), document=document)
        or {}
    )
    return MappingProxyType(
        {name: tags or MappingProxyType({}) for name, tags in repositories.items()}
    )
