"""A typed view of an image's config. The bytes identify the config; the view is read-only."""

# ruff: noqa: RUF009 - `member` returns a dataclass field, as `dataclasses.field` does

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self, final

from store.errors import InvalidDigest, InvalidDocument, TooLarge
from store.formats.golang.containers import ListOf, Pointer
from store.formats.golang.json import parse
from store.formats.golang.structs import Struct, member, unmarshal
from store.formats.golang.types import STRING
from store.formats.image.docker_config import HISTORY, V1Image
from store.model.digests import DiffID, ImageID
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.formats.golang.times import GoTime
    from store.formats.image.docker_config import HistoryEntry
    from store.model.digests import Digest
    from store.model.limits import Limits

_NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})


@final
@dataclass(frozen=True, slots=True)
class RootFS:
    """The ``rootfs`` of a config, as Docker reads it: with any ``type`` and unchecked diff IDs."""

    type: str = member("type", STRING)
    diff_ids: tuple[str, ...] | None = member("diff_ids", ListOf(STRING), omit_empty=True)


@final
@dataclass(frozen=True, slots=True)
class _Image(V1Image):
    """Docker's ``image.Image``.

    In Docker, the ``parent`` of this struct hides the ``parent`` of V1Image. A config's ``parent``
    must be a string, and is ignored.
    """

    rootfs: RootFS | None = member("rootfs", Pointer(Struct(RootFS)), omit_empty=True)
    history: tuple[HistoryEntry, ...] | None = member("history", HISTORY, omit_empty=True)
    os_version: str = member("os.version", STRING, omit_empty=True)
    os_features: tuple[str, ...] | None = member("os.features", ListOf(STRING), omit_empty=True)


ROOTFS: Final = Struct(RootFS)
_IMAGE: Final = Struct(_Image)


@final
@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image's config: its exact bytes, and the values that Docker reads from them.

    Two configs are equal if their bytes are equal. Source: docker-archive.md §2.1 and §6.2.
    """

    data: bytes
    """The exact bytes."""

    image_id: ImageID
    """The digest of the bytes."""

    diff_ids: tuple[DiffID, ...] = field(compare=False)
    """The layers, base first."""

    created: GoTime = field(compare=False)
    """The time the image was created; the zero time if it is absent or null."""

    os: str = field(compare=False)
    """The image's operating system; often empty in old images, which means linux."""

    architecture: str = field(compare=False)
    """The image's processor architecture, by Go's names."""

    variant: str = field(compare=False)
    """The architecture's variant, for example ``v7``."""

    os_version: str = field(compare=False)
    os_features: tuple[str, ...] = field(compare=False)

    labels: Mapping[str, str] = field(compare=False)
    """The labels in the member ``config``; empty if there are none."""

    _limits: Limits = field(compare=False, repr=False)

    @classmethod
    def parse(
        cls,
        data: bytes,
        limits: Limits = DEFAULT_LIMITS,
        *,
        document: str = "image config",
        digest: Digest | None = None,
    ) -> Self:
        """Read and validate a config as Docker does when it loads one.

        Args:
            data: The exact bytes.
            limits: Ceilings for the size, nesting and memory of the JSON.
            document: The config's name in errors.
            digest: The digest of the bytes, already checked; None to compute their sha256.

        Returns:
            The view of the config.

        Raises:
            InvalidDocument: The config is not JSON, a member has the wrong type, ``rootfs`` is
                absent, a diff ID is not a digest, or the history has more layers than ``rootfs``.
            TooLarge: The config exceeds a ceiling for JSON, or has more than ``limits.layers``
                layers.
        """
        image = unmarshal(_IMAGE, parse(data, limits, document=document), document=document)
        if image.rootfs is None:
            raise InvalidDocument("invalid image JSON, no RootFS key", document=document)
        history = image.history or ()
        if len(image.rootfs.diff_ids or ()) > limits.layers:
            raise TooLarge(
                f"{document}: the image has {len(image.rootfs.diff_ids or ())} layers: the limit"
                f" is {limits.layers}",
                limit=limits.layers,
            )
        diff_ids = _diff_ids(image.rootfs, document)
        layers_in_history = sum(not entry.empty_layer for entry in history)
        if layers_in_history > len(diff_ids):
            raise InvalidDocument(
                f"too many non-empty layers in History section: {layers_in_history}, but rootfs has"
                f" {len(diff_ids)} layer(s)",
                document=document,
            )
        return cls(
            data=data,
            image_id=ImageID.of(data) if digest is None else ImageID(digest),
            diff_ids=diff_ids,
            created=image.created,
            os=image.os,
            architecture=image.architecture,
            variant=image.variant,
            os_version=image.os_version,
            os_features=image.os_features or (),
            labels=(image.config and image.config.labels) or _NO_LABELS,
            _limits=limits,
        )

    @property
    def v1(self) -> V1Image:
        """Return the config's members that a legacy archive repeats, without ``id`` and ``parent``.

        `v1` and `history` parse the bytes on each call, because few callers need these values and
        an archive may hold ten thousand configs.
        """
        image = self._read()
        return replace(
            V1Image(**{item.name: getattr(image, item.name) for item in fields(V1Image)}),
            id="",
            parent="",
        )

    @property
    def history(self) -> tuple[HistoryEntry, ...]:
        """Return the steps that built the image, oldest first."""
        return self._read().history or ()

    def _read(self) -> _Image:
        return unmarshal(
            _IMAGE, parse(self.data, self._limits, document="image config"), document="image config"
        )


@final
@dataclass(frozen=True, slots=True)
class HistoryDigests:
    """Digests of a config's history, to compare histories without keeping them in memory.

    Attributes:
        steps: The number of steps.
        whole: The digest of all steps.
        without_last: The digest of all steps but the last.
    """

    steps: int
    whole: bytes
    without_last: bytes

    @classmethod
    def of(cls, config: ImageConfig) -> Self:
        """Return the digests of a config's history. This parses the config again."""
        hashed = hashlib.sha256(usedforsecurity=False)
        before = hashed.digest()
        steps = config.history
        for step in steps:
            before = hashed.digest()
            hashed.update(hashlib.sha256(repr(step).encode(errors="surrogatepass")).digest())
        return cls(len(steps), hashed.digest(), before)

    def may_precede(self, child: HistoryDigests) -> bool:
        """Whether Docker 20.10 accepts an image with this history as the parent of ``child``.

        Docker accepts it if both histories are empty, or if the child's history is the parent's
        history plus one step. Times are compared together with their zones (see `GoTime`).

        Source: docker-archive.md §6.2, "Parent".
        """
        if not self.steps and not child.steps:
            return True
        return child.steps == self.steps + 1 and child.without_last == self.whole


def _diff_ids(rootfs: RootFS, document: str) -> tuple[DiffID, ...]:
    diff_ids = []
    for position, text in enumerate(rootfs.diff_ids or ()):
        try:
            diff_ids.append(DiffID.parse(text))
        except InvalidDigest as exc:
            raise InvalidDocument(
                f"rootfs.diff_ids[{position}]: {exc.message}", document=document, hint=exc.hint
            ) from None
    return tuple(diff_ids)
