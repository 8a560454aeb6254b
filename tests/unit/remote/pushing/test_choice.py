"""A choice selects what a save with the same options selects."""

from __future__ import annotations

from exporter.options import Format, Layers, SaveOptions
from remote.pushing.choice import Choice
from store.model.platforms import Platform

ARM64 = Platform.parse("linux/arm64")


def test_a_choice_is_a_save_in_the_format_oci() -> None:
    assert Choice().save_options == SaveOptions(Format.OCI)
    choice = Choice((ARM64,), sparse=True, referrers=True, layers=Layers.GZIP)
    assert choice.save_options == SaveOptions(
        Format.OCI, platforms=(ARM64,), sparse=True, referrers=True, layers=Layers.GZIP
    )
