"""Functions that generate configs for images of Docker before 1.10, as Docker does.

Source: docker-archive.md §7, items 2, 4 and 5; moby v20.10, ``image/v1/imagev1.go``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidDocument
from store.formats.golang.json import parse
from store.formats.golang.json_writing import compact, compact_size, write_object
from store.formats.golang.structs import Struct, member, unmarshal
from store.formats.golang.types import STRING
from store.formats.image.config import ROOTFS, ImageConfig, RootFS
from store.formats.image.docker_config import HISTORY, V1_IMAGE, HistoryEntry
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.formats.golang.json import Json
    from store.formats.image.docker_config import V1Image
    from store.model.digests import DiffID
    from store.model.limits import Limits

_DROPPED: Final = ("id", "parent", "Size", "parent_id", "layer_id", "throwaway")
_FIRST_WITH_RAW_MEMBERS: Final = (1, 8, 3)
_ATOI: Final = re.compile(r"([+-]?)([0-9]+)(.?)", re.ASCII | re.DOTALL)
_MAX_UINT64_DIGITS: Final = 20
_MAX_UINT64: Final = 2**64 - 1


@final
@dataclass(frozen=True, slots=True)
class _Links:
    os: str = member("OS", STRING)
    parent: str = member("Parent", STRING)


_LINKS: Final = Struct(_Links)


def v1_parent(
    v1_json: bytes, limits: Limits = DEFAULT_LIMITS, *, document: str = "v1 image"
) -> str:
    """Return the v1 ID of the image's parent; empty if the image has no parent.

    Args:
        v1_json: The ``json`` file of the image's directory.
        limits: Ceilings for the size, nesting and memory of the JSON.
        document: The file's name in errors.

    Raises:
        InvalidDocument: The file is not JSON, or a member has the wrong type.
        TooLarge: The file exceeds a ceiling for JSON.
    """
    return unmarshal(_LINKS, parse(v1_json, limits, document=document), document=document).parent


def migrate(
    v1_json: bytes,
    parent: ImageConfig | None,
    diff_ids: Sequence[DiffID],
    limits: Limits = DEFAULT_LIMITS,
    *,
    document: str = "v1 image",
) -> bytes:
    """Return the config that Docker generates for a v1 image, byte for byte.

    Args:
        v1_json: The ``json`` file of the image's directory.
        parent: The config of the image's parent; None if the image has no parent.
        diff_ids: The diff IDs of all layers, base first: the parent's layers, then the image's own.
        limits: Ceilings for the text of ``v1_json`` and of the result.
        document: The name of ``v1_json`` in errors.

    Returns:
        A config that `ImageConfig.parse` accepts, with exactly these layers.

    Raises:
        InvalidDocument: ``v1_json`` is not JSON, a member has the wrong type, or a member (for
            example ``rootFS``) would override the ``rootfs`` that is added.
        TooLarge: ``v1_json`` or the result exceeds a ceiling for JSON.
    """
    source = parse(v1_json, limits, document=document)
    image = unmarshal(V1_IMAGE, source, document=document)
    members = (
        _raw_members(source)
        if _keeps_raw_members(image.docker_version)
        else dict(V1_IMAGE.members(image))
    )
    for name in _DROPPED:
        members.pop(name, None)
    members["rootfs"] = ROOTFS.write(RootFS("layers", tuple(map(str, diff_ids))))
    members["history"] = HISTORY.write((*(parent.history if parent else ()), _history_entry(image)))
    config = write_object(members)
    # Like Docker, read the new config again: the name of a raw member may equal one of the added
    # names except for case, and the offset of a zone may be written in a form that cannot be read.
    if ImageConfig.parse(config, limits, document=document).diff_ids != tuple(diff_ids):
        raise InvalidDocument("a member would replace the layers of the image", document=document)
    return config


def _raw_members(source: Json) -> dict[str, bytes]:
    members = {}
    for name, value in source.members():
        raw = value.raw
        # Each member is in memory three times until the config is complete: as a member, in the
        # config, and in the joined text.
        source.budget.spend(compact_size(raw) * 3)
        members[name] = compact(raw)
    return members


def _history_entry(image: V1Image) -> HistoryEntry:
    return HistoryEntry(
        created=image.created,
        author=image.author,
        created_by=" ".join(image.container_config.cmd or ()),
        comment=image.comment,
    )


def _keeps_raw_members(docker_version: str) -> bool:
    """Whether the engine that wrote the image is 1.8.3 or newer.

    As in Docker, versions are compared part by part, and a part that is not a number counts as 0.
    """
    parts = list(map(_atoi, docker_version.split(".")))
    wanted = list(_FIRST_WITH_RAW_MEMBERS)
    length = max(len(parts), len(wanted))
    return parts + [0] * (length - len(parts)) >= wanted + [0] * (length - len(wanted))


def _atoi(text: str) -> int:
    """Return the result of Go's ``strconv.Atoi`` if its error is ignored.

    The result is 0 for a text that is not a number. If the text starts with a number that is too
    large, the result is the largest number, because Go then ignores the rest of the text.
    """
    match = _ATOI.match(text)
    if match is None:
        return 0
    digits = match[2].lstrip("0") or "0"
    # Check the length first, because Python refuses to convert thousands of digits.
    number = (
        _MAX_UINT64
        if len(digits) > _MAX_UINT64_DIGITS or int(digits) > _MAX_UINT64
        else 0
        if match[3]
        else int(digits)
    )
    return -number if match[1] == "-" else number
