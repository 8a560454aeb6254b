"""The setting that says how stored layers are compressed."""

from __future__ import annotations

import pytest

from store.errors import InvalidInput
from store.formats.compression.settings import DEFAULT_LEVEL, Compression


@pytest.mark.parametrize(
    ("text", "level"),
    [("none", None), ("zstd", DEFAULT_LEVEL), ("zstd:1", 1), ("zstd:19", 19), ("zstd:07", 7)],
)
def test_a_setting_is_read(text: str, level: int | None) -> None:
    assert Compression.parse(text) == Compression(level)


@pytest.mark.parametrize(
    "text", ["", "gzip", "zstd:", "zstd:0", "zstd:20", "zstd:-1", "zstd:100", "ZSTD", "zstd:1 "]
)
def test_other_settings_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Compression.parse(text)
    assert repr(text) in caught.value.message


@pytest.mark.parametrize("text", ["none", "zstd:2", "zstd:19"])
def test_a_setting_is_written_as_it_is_read(text: str) -> None:
    assert str(Compression.parse(text)) == text
