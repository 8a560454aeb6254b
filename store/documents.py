"""Typed views of the documents that make an image. The bytes are the identity; a view never replaces them."""
# ruff: noqa: RUF009 - `member` returns a dataclass field, as `dataclasses.field` does

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self, final

from store.errors import InvalidDigest, InvalidDocument
from store.gojson import parse
from store.goshape import STRING, ListOf, Pointer
from store.gostruct import Struct, member, unmarshal
from store.limits import DEFAULT_LIMITS
from store.v1image import HISTORY, V1Image
from store.values import DiffID, ImageID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.gotime import GoTime
    from store.limits import Limits
    from store.v1image import Config, HistoryEntry
    from store.values import Digest

_NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})


@final
@dataclass(frozen=True, slots=True)
class RootFS:
    """The ``rootfs`` of a config. Docker reads any ``type``, and digests that are none."""

    type: str = member("type", STRING)
    diff_ids: tuple[str, ...] | None = member("diff_ids", ListOf(STRING), omit_empty=True)


@final
@dataclass(frozen=True, slots=True)
class _Image(V1Image):
    """Docker's ``image.Image``. Its own ``parent`` hides that of V1Image, so the one in a config must be a string and is ignored."""

    rootfs: RootFS | None = member("rootfs", Pointer(Struct(RootFS)), omit_empty=True)
    history: tuple[HistoryEntry, ...] | None = member("history", HISTORY, omit_empty=True)
    os_version: str = member("os.version", STRING, omit_empty=True)
    os_features: tuple[str, ...] | None = member("os.features", ListOf(STRING), omit_empty=True)


ROOTFS: Final = Struct(RootFS)
_IMAGE: Final = Struct(_Image)


@final
@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image's config: its exact bytes, and what Docker reads from them (docker-archive.md §2.1 and §6.2). Two are equal when their bytes are."""

    data: bytes
    """The exact bytes."""

    image_id: ImageID
    """Their digest."""

    v1: V1Image = field(compare=False)
    """The part a legacy archive writes again, without ``id`` and ``parent``."""

    diff_ids: tuple[DiffID, ...] = field(compare=False)
    """The layers, base first."""

    history: tuple[HistoryEntry, ...] = field(compare=False)
    """How the image was built, oldest step first."""

    os_version: str = field(compare=False)
    os_features: tuple[str, ...] = field(compare=False)

    @classmethod
    def parse(cls, data: bytes, limits: Limits = DEFAULT_LIMITS, *, document: str = "image config", digest: Digest | None = None) -> Self:
        """Read and validate a config as Docker does when it loads one.

        Args:
            data: The exact bytes.
            limits: Ceilings for the text.
            document: What to call it in errors.
            digest: What the bytes hash to, when they were named by another algorithm than sha256.

        Raises:
            InvalidDocument: It is not JSON, a member has the wrong type, there is no ``rootfs``, a diff ID is no digest, or the history tells of more layers
                than there are.
            TooLarge: It passes ``limits.json_bytes``.
        """
        image = unmarshal(_IMAGE, parse(data, limits, document=document), document=document)
        if image.rootfs is None:
            raise InvalidDocument("invalid image JSON, no RootFS key", document=document)
        history = image.history or ()
        diff_ids = _diff_ids(image.rootfs, document)
        layers_told = sum(not entry.empty_layer for entry in history)
        if layers_told > len(diff_ids):
            raise InvalidDocument(f"too many non-empty layers in History section: {layers_told}, of {len(diff_ids)} layers", document=document)
        v1 = V1Image(**{item.name: getattr(image, item.name) for item in fields(V1Image)})
        return cls(
            data=data,
            image_id=ImageID.of(data) if digest is None else ImageID(digest),
            v1=replace(v1, id="", parent=""),
            diff_ids=diff_ids,
            history=history,
            os_version=image.os_version,
            os_features=image.os_features or (),
        )

    @property
    def config(self) -> Config | None:
        """What containers of the image run; None when absent or null."""
        return self.v1.config

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of ``config``, none when it has none."""
        return (self.v1.config and self.v1.config.labels) or _NO_LABELS

    @property
    def created(self) -> GoTime:
        """When the image was made; the zero time when absent or null."""
        return self.v1.created

    @property
    def os(self) -> str:
        """The operating system it is for; often empty in old images, which means linux."""
        return self.v1.os

    @property
    def architecture(self) -> str:
        """The processor architecture it is for, by Go's names."""
        return self.v1.architecture

    @property
    def variant(self) -> str:
        """The architecture's variant, for example ``v7``."""
        return self.v1.variant

    @property
    def author(self) -> str:
        """Who made it."""
        return self.v1.author

    @property
    def comment(self) -> str:
        """The message given when it was committed."""
        return self.v1.comment

    @property
    def docker_version(self) -> str:
        """The version of the engine that made it."""
        return self.v1.docker_version

    @property
    def container(self) -> str:
        """The ID of the container it was committed from."""
        return self.v1.container

    @property
    def container_config(self) -> Config:
        """How that container was run; all empty when absent."""
        return self.v1.container_config


def is_valid_parent(parent: ImageConfig, child: ImageConfig) -> bool:
    """Whether Docker 20.10 lets ``parent`` be recorded as the parent of ``child`` (docker-archive.md §6.2, "Parent").

    Both histories are empty, or the child's is the parent's and one entry more. Times are compared as they were written, zone included: see `GoTime`.
    """
    if not parent.history and not child.history:
        return True
    return len(child.history) == len(parent.history) + 1 and child.history[:-1] == parent.history


def _diff_ids(rootfs: RootFS, document: str) -> tuple[DiffID, ...]:
    diff_ids = []
    for position, text in enumerate(rootfs.diff_ids or ()):
        try:
            diff_ids.append(DiffID.parse(text))
        except InvalidDigest as exc:
            raise InvalidDocument(f"rootfs.diff_ids[{position}]: {exc.message}", document=document, hint=exc.hint) from None
    return tuple(diff_ids)
