"""Every target, run without a fuzzer on its seeds, earlier findings and slightly damaged seeds."""

from __future__ import annotations

import importlib
import random
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.fuzz.__main__ import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

HERE: Final = Path(__file__).parent
SLOW: Final = frozenset({"archives"})
"""Targets that take a few tenths of a second per input."""


def target(name: str) -> ModuleType:
    return importlib.import_module(f"tests.fuzz.targets.{name}")


def found(name: str) -> list[Path]:
    return sorted((HERE / "findings" / name).glob("*"))


def damaged_seeds(module: ModuleType, chance: random.Random) -> Iterator[bytes]:
    """Yield seeds of a target with up to three changes each, for ever."""
    while True:
        data = bytearray(chance.choice(module.SEEDS)[: module.MAX_BYTES])
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.randrange(3)] = chance.choice(
                [chance.randbytes(2), b"", *module.TOKENS]
            )
        yield bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_pass(name: str) -> None:
    module = target(name)
    seeds = module.SEEDS[::7] if name in SLOW else module.SEEDS
    for seed in seeds:
        module.check(seed)
    assert len(module.SEEDS) >= 5
    assert all(len(seed) <= module.MAX_BYTES or name == "codecs" for seed in module.SEEDS)


@pytest.mark.parametrize(
    ("name", "path"),
    [(name, path) for name in TARGETS for path in found(name)],
    ids=lambda value: getattr(value, "name", value),
)
def test_an_earlier_finding_passes(name: str, path: Path) -> None:
    target(name).check(path.read_bytes())


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in SLOW])
def test_slightly_damaged_seeds_pass(name: str) -> None:
    module = target(name)
    for data in islice(damaged_seeds(module, random.Random(name)), 60):
        module.check(data)


def test_each_folder_of_findings_belongs_to_a_target() -> None:
    assert {path.name for path in (HERE / "findings").iterdir()} <= set(TARGETS)
