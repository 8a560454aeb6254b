"""Do a part of storectl's work with a library alone, as a limit for storectl.

This program does the part on one file, and prints the cost without the start of the process.

python -m bench.measuring.work sha256|inflate FILE
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from isal import igzip_lib

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE: Final = 1 << 20


def sha256(path: Path) -> None:
    """Hash a file."""
    hashed = hashlib.sha256(usedforsecurity=False)
    buffer = memoryview(bytearray(_PIECE))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            hashed.update(buffer[:count])


def inflate(path: Path) -> None:
    """Decode a gzip file with ISA-L and discard the output."""
    stream = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            while piece:
                stream.decompress(piece, _PIECE)
                while not stream.needs_input and not stream.eof:
                    stream.decompress(b"", _PIECE)
                piece = b""
                if stream.eof and stream.unused_data:
                    piece, stream = (
                        stream.unused_data,
                        igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP),
                    )


WORK: Final[dict[str, Callable[[Path], None]]] = {"sha256": sha256, "inflate": inflate}


def main() -> None:
    """Do one part of the work on a file, and print its cost."""
    name, file = sys.argv[1:]
    wall, cpu = time.perf_counter(), time.process_time()
    WORK[name](Path(file))
    print(json.dumps({"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
