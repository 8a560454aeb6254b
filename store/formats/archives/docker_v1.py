"""Archives of Docker before 1.10, which have no ``manifest.json`` (docker-archive.md §7).

Each directory is an image, and ``repositories`` names the images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from store.errors import (
    InvalidArchive,
    InvalidDocument,
    InvalidReference,
    MissingMember,
    TooLarge,
    printable,
)
from store.formats.archives.claims import ArchiveClaim, ImageClaim
from store.formats.archives.docker_manifest import parse_repositories
from store.formats.image.config import ImageConfig
from store.formats.image.label_budget import LabelBudget
from store.formats.image.v1_migration import migrate, v1_parent
from store.model.digests import Digest, ImageID
from store.model.references import SYNTAX_HINT, Reference, is_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from store.model.digests import DiffID
    from store.model.limits import Limits

REPOSITORIES: Final = "repositories"


@final
@dataclass(frozen=True, slots=True)
class V1Directory:
    """One image directory: its name (the v1 ID), the bytes of its ``json``, its parent's name."""

    name: str
    json: bytes
    parent: str | None

    @property
    def layer(self) -> str:
        """The path of the directory's layer."""
        return f"{self.name}/layer.tar"


def directories(
    top_level: Sequence[str], read: Callable[[str], bytes], limits: Limits
) -> tuple[V1Directory, ...]:
    """Return every image directory, each after its parent.

    Args:
        top_level: The names of the archive's directories.
        read: Returns the bytes at a path in the archive. Errors from this function are raised
            unchanged.
        limits: Ceilings for the documents.

    Raises:
        MissingMember: A directory has no ``json``, or a parent is not in the archive.
        InvalidArchive: The parents form a cycle, or a parent's name is a path.
        InvalidDocument: A ``json`` is not valid.
        TooLarge: A ``json`` exceeds a ceiling of ``limits``.
    """
    names = frozenset(top_level)
    ordered: dict[str, V1Directory] = {}
    for start in top_level:
        path: dict[str, V1Directory] = {}
        name: str | None = start
        while name is not None and name not in ordered:
            if name in path:
                raise InvalidArchive(
                    f"the parents of {printable(start)!r} form a cycle", member=f"{name}/json"
                )
            if path and name not in names:
                above = next(reversed(path))
                raise MissingMember(
                    f"the parent {printable(name)!r} of an image is not in the archive",
                    member=f"{above}/json",
                )
            step = path[name] = _directory(name, read, limits)
            name = step.parent
        for step in reversed(path.values()):
            ordered[step.name] = step
    return tuple(ordered.values())


def _directory(name: str, read: Callable[[str], bytes], limits: Limits) -> V1Directory:
    if "/" in name or name in {"", ".", ".."}:
        raise InvalidArchive(
            f"invalid parent {printable(name)!r} of an image: expected the name of a directory",
            member="json",
        )
    try:
        data = read(f"{name}/json")
    except MissingMember as exc:
        raise MissingMember(
            f"the directory {printable(name)!r} has no json: in an archive without manifest.json,"
            " each directory is an image of Docker before 1.10",
            member=f"{name}/json",
            hint="check that `docker save` wrote the archive",
        ) from exc
    return V1Directory(
        name, data, v1_parent(data, limits, document=f"{printable(name)}/json") or None
    )


def claim(
    ordered: Sequence[V1Directory],
    diffs: Mapping[str, DiffID],
    read: Callable[[str], bytes],
    limits: Limits,
) -> ArchiveClaim:
    """Return the images of ``ordered`` as claims, with the configs that Docker ≥ 1.10 generates.

    Args:
        ordered: The directories, each after its parent.
        diffs: The diff ID of each directory's layer, by the directory's name.
        read: Returns the bytes at a path in the archive. Errors from this function are raised
            unchanged.
        limits: Ceilings for the documents.

    Raises:
        MissingMember: The archive has no ``repositories``.
        InvalidDocument: ``repositories`` or a ``json`` is not valid, or a tag has an unknown
            target.
        InvalidReference: A name or a tag is not valid.
        TooLarge: The configs exceed a ceiling of ``limits``.
    """
    configs: dict[str, ImageConfig] = {}
    made_bytes = 0
    labels = LabelBudget(limits)
    for step in ordered:
        parent = configs[step.parent] if step.parent is not None else None
        document = f"{printable(step.name)}/json"
        chain = (*(parent.diff_ids if parent is not None else ()), diffs[step.name])
        data = migrate(step.json, parent, chain, limits, document=document)
        # Each config repeats the history of its ancestors, so the total grows with the square of
        # the chain's length.
        made_bytes += len(data)
        if made_bytes > limits.documents_bytes:
            raise TooLarge(
                f"the configs of the archive's images, up to {printable(step.name)!r}, together"
                f" have more than {limits.documents_bytes} bytes",
                limit=limits.documents_bytes,
            )
        configs[step.name] = config = ImageConfig.parse(data, limits, document=document)
        labels.add_config(config)
    data = read(REPOSITORIES)
    tags = _tags(parse_repositories(data, limits), configs)
    built_on = {step.parent for step in ordered}
    images = tuple(
        ImageClaim(
            config=configs[step.name],
            # Each directory has one layer. The layers below it are in the ancestors' directories.
            layers=(*(None for _ in configs[step.name].diff_ids[:-1]), step.layer),
            tags=tuple(tags.get(step.name, ())),
            parent=configs[step.parent].image_id if step.parent is not None else None,
            sources={},
            listed=step.name not in built_on or step.name in tags,
        )
        for step in ordered
    )
    return ArchiveClaim(Digest.of(data), _merge(images))


def _tags(
    repositories: Mapping[str, Mapping[str, str]], configs: Mapping[str, ImageConfig]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(repositories):
        for tag in sorted(repositories[name]):
            target = repositories[name][tag]
            if target not in configs:
                raise InvalidDocument(
                    f"invalid target ID {printable(target)!r} of"
                    f" {printable(name)}:{printable(tag)}",
                    document=REPOSITORIES,
                )
            text = _tagged(name, tag)
            if text not in found.setdefault(target, []):
                found[target].append(text)
    return found


def _tagged(name: str, tag: str) -> str:
    # Docker first parses the name alone, which refuses 64 hexadecimal digits. Then it replaces any
    # tag in the name.
    named = Reference.parse(name)
    if not is_tag(tag):
        raise InvalidReference(
            f"invalid tag format {printable(tag)!r} of {printable(name)!r}",
            text=f"{name}:{tag}",
            hint=SYNTAX_HINT,
        )
    return replace(named, tag=tag).familiar


def _merge(images: Sequence[ImageClaim]) -> tuple[ImageClaim, ...]:
    # Two directories with the same json and layer are one image, which has the tags of both.
    merged: dict[ImageID, ImageClaim] = {}
    for image in images:
        before = merged.get(image.config.image_id)
        if before is not None:
            tags = (*before.tags, *(tag for tag in image.tags if tag not in before.tags))
            image = ImageClaim(  # noqa: PLW2901
                before.config, before.layers, tags, before.parent, {}, before.listed or image.listed
            )
        merged[image.config.image_id] = image
    return tuple(merged.values())
