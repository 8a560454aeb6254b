"""Run one target under libFuzzer, through atheris.

``python -m tests.fuzz.engine TARGET SECONDS FOLDER`` (`tests.fuzz.__main__` starts it).

The code under test is instrumented, the target is not: the coverage of the parsers alone guides the
search.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import atheris

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES: Final = ("store", "exporter", "remote", "mirror")
MEMORY_MIB: Final = 8192
"""Memory limit of the whole process in MiB. The fuzzer's own memory grows over hours."""

GREEDY_MIB: Final = 400
"""MiB by which one input may raise the peak memory of the process; a codec may need 256 MiB."""
HANG_S: Final = 60
SLOW_S: Final = 4.0
"""CPU seconds for one input.

The largest inputs are 64 KiB. None should take a tenth of this time, even in instrumented code.
"""


class TooMuch(Exception):
    """One input took more time or memory than its size justifies."""


def bounded(check: Callable[[bytes], None], slow_s: float, found: Path) -> Callable[[bytes], None]:
    """Return ``check`` with limits for its time and memory.

    Args:
        check: The check of a target, called with an input.
        slow_s: CPU seconds allowed for one input.
        found: Receives an input that fails. libFuzzer's own copy may be incomplete, because its
            alarm interrupts the write.
    """

    def one(data: bytes) -> None:
        start, before = time.process_time(), _most_mib()
        check(data)
        took, grown = time.process_time() - start, _most_mib() - before
        if took > slow_s:
            raise TooMuch(f"{took:.1f} s of CPU for {len(data)} bytes")
        if grown > GREEDY_MIB:
            raise TooMuch(f"{grown} MiB of memory for {len(data)} bytes")

    def kept(data: bytes) -> None:
        try:
            one(data)
        except Exception:
            found.write_bytes(data)
            raise

    return kept


def _most_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(name: str, seconds: int, folder: Path) -> None:
    """Fuzz one target; do not return.

    Args:
        name: The name of a module in `tests.fuzz.targets`.
        seconds: Fuzzing time.
        folder: Receives the corpus and the findings.
    """
    with atheris.instrument_imports(include=list(PACKAGES), enable_loader_override=False):
        for package in PACKAGES:
            # Import lazy modules too: only imports in this block are instrumented.
            for module in pkgutil.walk_packages(
                importlib.import_module(package).__path__, f"{package}."
            ):
                importlib.import_module(module.name)
    target = importlib.import_module(f"tests.fuzz.targets.{name}")
    corpus, seeds, tokens = folder / "corpus", folder / "seeds", folder / "tokens"
    for path in (corpus, seeds):
        path.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.SEEDS):
        (seeds / f"{number:04}").write_bytes(seed)
    tokens.write_text(
        "".join(
            '"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n' for token in target.TOKENS
        ),
        encoding="ascii",
    )
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={target.MAX_BYTES}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-timeout={HANG_S}",
        f"-artifact_prefix={folder}/finding-",
        "-print_final_stats=1",
        # Fix the seed in CI, as for generated tests: a change must not fail on an input that only a
        # different seed finds.
        *(["-seed=1"] if os.environ.get("CI") else []),
        *([f"-dict={tokens}"] if target.TOKENS else []),
        str(corpus),
        str(seeds),
    ]
    atheris.Setup(
        [sys.argv[0], *options],
        bounded(target.check, getattr(target, "SLOW_S", SLOW_S), folder / "finding-last"),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
