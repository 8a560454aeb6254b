"""Archives of Docker before 1.10, which have no ``manifest.json`` (docker-archive.md §7).

Each directory is an image, and ``repositories`` names the images.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from store.errors import (
    InvalidArchive,
    InvalidDigest,
    InvalidDocument,
    InvalidReference,
    MissingMember,
    StoreError,
    TooLarge,
    printable,
)
from store.formats.archives.claims import ArchiveClaim, BrokenImage, ImageClaim
from store.formats.archives.docker import usable_tags
from store.formats.archives.docker_manifest import parse_repositories
from store.formats.archives.faults import FAULTS, kept
from store.formats.image.config import ImageConfig
from store.formats.image.label_budget import LabelBudget
from store.formats.image.v1_migration import migrate, v1_parent
from store.model.digests import Digest, ImageID
from store.model.references import Reference, is_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from store.model.digests import DiffID
    from store.model.limits import Limits

REPOSITORIES: Final = "repositories"


@final
@dataclass(frozen=True, slots=True)
class V1Directory:
    """One image directory.

    Attributes:
        name: The directory's path in the archive, without ``.`` and ``..``: usually the v1 ID.
        json: The bytes of its ``json``.
        parent: The ``name`` of its parent's directory; None if it has no parent.
        parent_text: The parent as ``json`` spells it, for example ``./base``.
    """

    name: str
    json: bytes
    parent: str | None
    parent_text: str | None = None

    @property
    def layer(self) -> str:
        """The path of the directory's layer."""
        return posixpath.normpath(f"{self.name}/layer.tar")


def directories(
    top_level: Sequence[str],
    read: Callable[[str], bytes],
    limits: Limits,
    faults: dict[str, StoreError],
) -> tuple[V1Directory, ...]:
    """Return every image directory, each after its parent.

    Args:
        top_level: The names of the archive's directories.
        read: Returns the bytes at a path in the archive.
        limits: Ceilings for the documents.
        faults: Receives the error of each directory that is not returned: it has no valid ``json``,
            or its chain of parents is broken.
    """
    names = frozenset(top_level)
    ordered: dict[str, V1Directory] = {}

    def directory(name: str) -> V1Directory:
        if name in faults:
            raise faults[name]
        return _directory(name, read, limits)

    for start in top_level:
        path: dict[str, V1Directory] = {}
        try:
            _follow(start, path, ordered, names, directory)
        except TooLarge:
            # Each further config may cost as much.
            raise
        except FAULTS as exc:
            error = kept(exc)
            for name in (*path, start):
                faults.setdefault(name, error)
            continue
        for step in reversed(path.values()):
            ordered[step.name] = step
    return tuple(ordered.values())


def _follow(
    start: str,
    path: dict[str, V1Directory],
    ordered: Mapping[str, V1Directory],
    names: Collection[str],
    directory: Callable[[str], V1Directory],
) -> None:
    """Follow the parents of a directory up to one that is in ``ordered``, or that has no parent.

    Args:
        start: The name of the directory.
        path: Receives the directory and its parents.
        ordered: The directories that are known.
        names: The names of the archive's directories.
        directory: Reads a directory.

    Raises:
        StoreError: The chain of parents is broken.
    """
    name: str | None = start
    while name is not None and name not in ordered:
        if name in path:
            raise InvalidArchive(
                f"the parents of {printable(start)!r} form a cycle", member=f"{name}/json"
            )
        try:
            step = directory(name)
        except MissingMember as exc:
            if not path or name in names:
                raise
            above = next(reversed(path.values()))
            raise MissingMember(
                f"the parent {printable(above.parent_text or name)!r} of an image is not in the"
                " archive",
                member=f"{above.name}/json",
            ) from exc
        path[name] = step
        name = step.parent


def _directory(name: str, read: Callable[[str], bytes], limits: Limits) -> V1Directory:
    member = posixpath.normpath(f"{name}/json")
    if member.startswith("../"):
        raise MissingMember(
            f"the directory {printable(name)!r} is not in the archive", member=member
        )
    try:
        data = read(member)
    except MissingMember as exc:
        raise MissingMember(
            f"the directory {printable(name)!r} has no json: in an archive without manifest.json,"
            " each directory is an image of Docker before 1.10",
            member=member,
            hint="check that `docker save` wrote the archive",
        ) from exc
    parent = v1_parent(data, limits, document=printable(member))
    return V1Directory(name, data, _path(parent) if parent else None, parent or None)


def _path(parent: str) -> str:
    """Return the path of a parent's directory. Docker joins the text to the archive's folder."""
    if parent.startswith("/"):
        # Go's filepath.Clean drops ``..`` at the root, and Join takes the rest as relative.
        return posixpath.normpath("/" + parent.lstrip("/"))[1:] or "."
    return posixpath.normpath(parent)


def claim(
    ordered: Sequence[V1Directory],
    diffs: Mapping[str, DiffID],
    read: Callable[[str], bytes],
    limits: Limits,
    faults: Mapping[str, StoreError] | None = None,
) -> ArchiveClaim:
    """Return the images of ``ordered`` as claims, with the configs that Docker ≥ 1.10 generates.

    Args:
        ordered: The directories, each after its parent.
        diffs: The diff ID of each directory's layer, by the directory's name.
        read: Returns the bytes at a path in the archive. Errors from this function are raised
            unchanged.
        limits: Ceilings for the documents.
        faults: The errors of directories that cannot be read, by the directory's name; None if
            there are none.

    Returns:
        The claims. An image that cannot be read, or whose parent cannot be read, is among the
        broken images.

    Raises:
        MissingMember: The archive has no ``repositories``.
        InvalidDocument: ``repositories`` is not valid.
        TooLarge: The configs exceed a ceiling of ``limits``.
    """
    configs: dict[str, ImageConfig] = {}
    errors: dict[str, StoreError] = dict(faults or {})
    made_bytes = 0
    labels = LabelBudget(limits)
    for step in ordered:
        if step.name in errors:
            continue
        if step.parent is not None and step.parent in errors:
            errors[step.name] = errors[step.parent]
            continue
        parent = configs[step.parent] if step.parent is not None else None
        document = f"{printable(step.name)}/json"
        chain = (*(parent.diff_ids if parent is not None else ()), diffs[step.name])
        try:
            data = migrate(step.json, parent, chain, limits, document=document)
            config = ImageConfig.parse(data, limits, document=document)
            labels.add_config(config)
        except TooLarge:
            # Each further config may cost as much.
            raise
        except FAULTS as exc:
            errors[step.name] = kept(exc)
            continue
        # Each config repeats the history of its ancestors, so the total grows with the square of
        # the chain's length.
        made_bytes += len(data)
        if made_bytes > limits.documents_bytes:
            raise TooLarge(
                f"the configs of the archive's images, up to {printable(step.name)!r}, together"
                f" have more than {limits.documents_bytes} bytes",
                limit=limits.documents_bytes,
            )
        configs[step.name] = config
    data = read(REPOSITORIES)
    targets = _targets(
        parse_repositories(data, limits),
        {step.parent_text: step.parent for step in ordered if step.parent in configs},
    )
    broken = [
        BrokenImage(error, tuple(targets.get(name, ())), f"{name}/json")
        for name, error in errors.items()
    ]
    broken += [
        BrokenImage(_unknown_target(name, text), (text,))
        for name, texts in targets.items()
        if name not in configs and name not in errors
        for text in texts
    ]
    built_on = {step.parent for step in ordered}
    names = {name: usable_tags(texts) for name, texts in targets.items()}
    images = tuple(
        ImageClaim(
            config=configs[step.name],
            # Each directory has one layer. The layers below it are in the ancestors' directories.
            layers=(*(None for _ in configs[step.name].diff_ids[:-1]), step.layer),
            tags=names.get(step.name, ((), ()))[0],
            parent=configs[step.parent].image_id if step.parent is not None else None,
            sources={},
            listed=step.name not in built_on or step.name in targets,
            unusable=names.get(step.name, ((), ()))[1],
        )
        for step in ordered
        if step.name in configs
    )
    return ArchiveClaim(Digest.of(data), _merge(images), broken=tuple(broken))


def _targets(
    repositories: Mapping[str, Mapping[str, str]], spellings: Mapping[str | None, str | None]
) -> dict[str, list[str]]:
    """Return the names that ``repositories`` gives to each directory, valid or not.

    Args:
        repositories: The names, and the directory of each tag.
        spellings: The path of each directory that is a parent, by the text that names the parent.
            ``repositories`` may use that text too.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(repositories):
        for tag in sorted(repositories[name]):
            target = repositories[name][tag]
            names = found.setdefault(spellings.get(target) or target, [])
            text = _tagged(name, tag)
            if text not in names:
                names.append(text)
    return found


def _unknown_target(target: str, text: str) -> InvalidDocument:
    return InvalidDocument(
        f"invalid target ID {printable(target)!r} of {printable(text)}", document=REPOSITORIES
    )


def _tagged(name: str, tag: str) -> str:
    # Docker first parses the name alone, which refuses 64 hexadecimal digits. Then it replaces any
    # tag in the name.
    try:
        named = Reference.parse(name)
    except (InvalidReference, InvalidDigest):
        text = f"{name}:{tag}"
        # With a tag, 64 hexadecimal digits are a valid name. Alone they are not.
        return text if usable_tags((text,))[1] else name
    return replace(named, tag=tag).familiar if is_tag(tag) else f"{name}:{tag}"


def _merge(images: Sequence[ImageClaim]) -> tuple[ImageClaim, ...]:
    # Two directories with the same json and layer are one image, which has the tags of both.
    merged: dict[ImageID, ImageClaim] = {}
    for image in images:
        before = merged.get(image.config.image_id)
        if before is not None:
            tags = (*before.tags, *(tag for tag in image.tags if tag not in before.tags))
            image = ImageClaim(  # noqa: PLW2901
                before.config,
                before.layers,
                tags,
                before.parent,
                {},
                listed=before.listed or image.listed,
                unusable=tuple(dict.fromkeys((*before.unusable, *image.unusable))),
            )
        merged[image.config.image_id] = image
    return tuple(merged.values())
