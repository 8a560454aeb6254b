"""Every target of requests, rules, frames and graphs finds a fault that is planted in the code."""

from __future__ import annotations

import importlib
import random
import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import zstandard

from exporter.selection.document_reader import DocumentReader
from mirror.protocol import conditions, ranges
from store.content import encoding_check
from store.content.frames import Frames
from store.formats.golang import path_match
from tests.fuzz.test_targets import damaged_seeds
from tests.support import pumping
from tests.support.pumping import TooSlow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pytest

    from store.formats.compression.seekable_zstd import Frame
    from store.formats.image.manifests import Document, Link
    from store.model.digests import Digest

_DAMAGED: Final = 1500
_BACKTRACKING: Final = 5


def fails(name: str, *numbers: int) -> type[BaseException] | None:
    """Return the type of the first error that a target reports, or None.

    Args:
        name: The name of the target.
        numbers: The numbers of the seeds to check; none for all seeds, whole and damaged.
    """
    module = importlib.import_module(f"tests.fuzz.targets.{name}")
    inputs = [module.SEEDS[number] for number in numbers] or [
        *module.SEEDS,
        *islice(damaged_seeds(module, random.Random(name)), _DAMAGED),
    ]
    for data in inputs:
        try:
            module.check(data)
        except Exception as exc:  # noqa: BLE001 - whatever the fuzzer would report
            return type(exc)
    return None


def test_a_range_that_backtracks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = r"bytes\s*=\s*(?:(?P<first>\d)\s*-\s*(?P<last>\d)?|-\s*(?P<suffix>\d))\s*"
    monkeypatch.setattr(ranges, "_RANGE", re.compile(pattern))
    monkeypatch.setattr(pumping, "PUMPED", 14_000)
    assert fails("request_headers") is TooSlow


def test_a_wrong_condition_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "range_applies", lambda given, tag: given is None or tag)
    assert fails("request_headers") is AssertionError


def test_a_star_that_crosses_slashes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(chunks: list[list[str]], _end: str = "") -> str:
        return ".*".join(map("".join, chunks))

    monkeypatch.setattr(path_match, "_stars", wrong)
    monkeypatch.setattr(pumping, "PUMPED", 100)
    assert fails("rules_and_globs") is AssertionError


def test_rules_that_backtrack_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(chunks: list[list[str]], _end: str = "") -> str:
        return "[^/]*".join(map("".join, chunks))

    monkeypatch.setattr(path_match, "_stars", wrong)
    # The time is cubic in the length: with the usual length, this test would take hours.
    monkeypatch.setattr(pumping, "PUMPED", 2_200)
    assert fails("rules_and_globs", _BACKTRACKING) is TooSlow


def test_frames_that_are_not_checked_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_frame(_self: Frames, _frame: Frame, data: bytes) -> bytes:
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)

    monkeypatch.setattr(encoding_check, "is_one_frame", lambda *_: True)
    monkeypatch.setattr(Frames, "decode", first_frame)
    assert fails("zstd_frames") is AssertionError


def test_a_walk_that_forgets_what_it_saw_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(
        document: Document, documents: Mapping[Digest, Document], wanted: Callable[[Link], bool]
    ) -> Iterator[Link]:
        for link in filter(wanted, document.children):
            yield link
            if link.digest in documents:
                yield from forgetful(documents[link.digest], documents, wanted)

    module = importlib.import_module("tests.fuzz.targets.index_graphs")
    monkeypatch.setattr(module, "links_below", forgetful)
    # The other seeds have thirty levels, so that this walk would never end.
    assert fails("index_graphs", 4) is AssertionError


def test_a_level_that_is_visited_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(roots: Iterable[Any], below: Callable[[list[Any]], list[Any]]) -> Iterator[Any]:
        level = list(roots)
        while level:
            yield from level
            level = below(level)

    module = importlib.import_module("tests.fuzz.targets.index_graphs")
    monkeypatch.setattr(module, "levels", forgetful)
    assert fails("index_graphs", 4) is AssertionError


def test_documents_that_are_read_again_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    read = DocumentReader.manifest

    def forgetful(self: DocumentReader, *args: Any) -> Document:  # noqa: ANN401 - passed on
        self._manifests.clear()
        return read(self, *args)

    monkeypatch.setattr(DocumentReader, "manifest", forgetful)
    assert fails("index_graphs") is AssertionError
