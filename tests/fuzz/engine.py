"""One target under libFuzzer, through atheris: ``python -m tests.fuzz.engine TARGET SECONDS FOLDER`` (`tests.fuzz.__main__` starts it).

The code under test is instrumented, the target is not: what guides the search is the coverage of the parsers alone.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import atheris

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES: Final = ("store", "exporter", "mirror")
MEMORY_MIB: Final = 1024
"""For the whole process. A codec may ask for 256 MiB, and the instrumented modules take about 150."""
HANG_S: Final = 60
SLOW_S: Final = 4.0
"""CPU seconds for one input. The largest inputs are 64 KiB: none of them has a reason to take a tenth of it, instrumented as the code is."""


class TooSlow(Exception):
    """An input took more CPU time than any of its size has a reason to."""


def timed(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """``check``, with a ceiling for its time."""

    def one(data: bytes) -> None:
        start = time.process_time()
        check(data)
        took = time.process_time() - start
        if took > SLOW_S:
            raise TooSlow(f"{took:.1f} s of CPU for {len(data)} bytes")

    return one


def main(name: str, seconds: int, folder: Path) -> None:
    """Fuzz one target; does not return."""
    with atheris.instrument_imports(include=list(PACKAGES), enable_loader_override=False):
        for package in PACKAGES:
            # Also what is imported only when it is needed: later would be too late.
            for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
                importlib.import_module(module.name)
    target = importlib.import_module(f"tests.fuzz.targets.{name}")
    corpus, seeds, tokens = folder / "corpus", folder / "seeds", folder / "tokens"
    for path in (corpus, seeds):
        path.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.SEEDS):
        (seeds / f"{number:04}").write_bytes(seed)
    tokens.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n' for token in target.TOKENS), encoding="ascii")
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={target.MAX_BYTES}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-timeout={HANG_S}",
        f"-artifact_prefix={folder}/finding-",
        "-print_final_stats=1",
        *([f"-dict={tokens}"] if target.TOKENS else []),
        str(corpus),
        str(seeds),
    ]
    atheris.Setup([sys.argv[0], *options], timed(target.check))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
