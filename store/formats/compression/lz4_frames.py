"""Archives compressed with lz4, as k3s and RKE2 take them. Layers never have this codec.

Spec: LZ4 Frame Format 1.6.4, "General Structure of LZ4 Frame format".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.formats.compression.decoders import PIECE_BYTES, Decompressor, Streams
from store.formats.compression.growth import OutputCeiling

if TYPE_CHECKING:
    from store.formats.compression.decoders import Decoder
    from store.formats.compression.growth import Ratio

MAGIC: Final = b"\x04\x22\x4d\x18"


def lz4_decoder(*, max_bytes: int, ratio: Ratio | None = None) -> Decoder:
    """Return a decoder for consecutive lz4 frames; it needs less than 16 MiB of memory.

    Args:
        max_bytes: Ceiling for the decoded total, in bytes.
        ratio: How much larger the decoded data may be; None for no limit.
    """
    return Streams(
        OutputCeiling(max_bytes, PIECE_BYTES, None, ratio), "lz4", lambda _: _decompressor()
    )


def _decompressor() -> Decompressor:
    import lz4.frame  # noqa: PLC0415 - few inputs need it

    found: Decompressor = lz4.frame.LZ4FrameDecompressor()
    return found
