"""Digests, and the identifiers of layers and images. All are validated when they are parsed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NewType, Self, final

from store.model.base_errors import InvalidDigest, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEX_LENGTHS: Final = {"sha256": 64, "sha512": 128}
_ALGORITHMS: Final = {algorithm: algorithm for algorithm in _HEX_LENGTHS}
_HEX: Final = re.compile(r"[0-9a-f]+")


@final
@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A content digest, ``algorithm:hex`` (OCI image-spec, descriptor.md, "Digests").

    Only the registered algorithms sha256 and sha512 are known, in lower-case hex of full length.
    """

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        if len(self.hex) != _HEX_LENGTHS.get(self.algorithm) or not _HEX.fullmatch(self.hex):
            # Text without a colon was parsed as an algorithm, so the message shows no colon.
            text = ":".join(part for part in (self.algorithm, self.hex) if part)
            raise InvalidDigest(
                f"invalid digest {printable(text[:160])!r}",
                hint="expected sha256:<64 hex digits> or sha512:<128 hex digits>, in lower case",
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``algorithm:hex``.

        Raises:
            InvalidDigest: The text is not a digest of a known algorithm.
        """
        algorithm, _, encoded = text.partition(":")
        # Millions of digests may be in memory, and have the same text here.
        return cls(_ALGORITHMS.get(algorithm, algorithm), encoded)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Self:
        """Return the digest of ``data``.

        Args:
            data: The bytes to hash.
            algorithm: ``sha256`` or ``sha512``.
        """
        return cls(algorithm, hashlib.new(algorithm, data, usedforsecurity=False).hexdigest())

    @property
    def short(self) -> str:
        """The first 12 hex digits, as Docker prints IDs."""
        return self.hex[:12]

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


@final
@dataclass(frozen=True, slots=True, order=True)
class DiffID:
    """The digest of a layer's uncompressed bytes (OCI image-spec, config.md, "Layer DiffID")."""

    digest: Digest

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``algorithm:hex``.

        Raises:
            InvalidDigest: The text is not a digest of a known algorithm.
        """
        return cls(Digest.parse(text))

    def __str__(self) -> str:
        return str(self.digest)


@final
@dataclass(frozen=True, slots=True, order=True)
class ChainID:
    """The name of a layer and all layers below it (OCI image-spec, config.md, "Layer ChainID")."""

    digest: Digest

    @classmethod
    def of(cls, layers: Sequence[DiffID]) -> Self:
        """Return the chain ID of the top layer.

        Args:
            layers: The diff IDs of all layers, base first.

        Raises:
            ValueError: There are no layers.
        """
        return cls.each(layers)[-1]

    @classmethod
    def each(cls, layers: Sequence[DiffID]) -> tuple[Self, ...]:
        """Return the chain ID of every layer.

        Chain IDs are always sha256 digests, even if the diff IDs use a different algorithm (the
        image-spec's ``identity.ChainID`` hashes with the canonical algorithm).

        Args:
            layers: The diff IDs of all layers, base first.

        Returns:
            One chain ID for each layer, base first.

        Raises:
            ValueError: There are no layers.
        """
        if not layers:
            raise ValueError("an image without layers has no chain")
        chains = [cls(layers[0].digest)]
        for layer in layers[1:]:
            chains.append(cls(Digest.of(f"{chains[-1]} {layer}".encode())))
        return tuple(chains)

    def __str__(self) -> str:
        return str(self.digest)


@final
@dataclass(frozen=True, slots=True, order=True)
class ImageID:
    """The name of an image: the digest of its config's exact bytes."""

    digest: Digest

    @classmethod
    def of(cls, config: bytes) -> Self:
        """Return the ID of the image with this config.

        Args:
            config: The exact bytes of the config.
        """
        return cls(Digest.of(config))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``algorithm:hex``.

        Raises:
            InvalidDigest: The text is not a digest of a known algorithm.
        """
        return cls(Digest.parse(text))

    def __str__(self) -> str:
        return str(self.digest)


@final
@dataclass(frozen=True, slots=True)
class Descriptor:
    """The digest, size and media type that a document states for content it points at.

    Raises:
        InvalidDigest: The size is negative.
    """

    media_type: str
    digest: Digest
    size_bytes: int

    def __post_init__(self) -> None:
        if self.size_bytes < 0:
            raise InvalidDigest(
                f"invalid descriptor of {self.digest}: the size is negative: {self.size_bytes}"
            )


DEFAULT_ALGORITHM: Final = "sha256"

Location = NewType("Location", str)
"""The place of a digest's bytes inside a blob store; only that blob store can interpret it.

For a blob store in a folder, it is a path relative to the folder.
"""


@final
@dataclass(frozen=True, slots=True)
class Hashed:
    """A digest, and how many bytes were hashed."""

    digest: Digest
    size_bytes: int
