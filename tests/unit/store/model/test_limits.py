from __future__ import annotations

from dataclasses import fields

from store.model.limits import DEFAULT_LIMITS, Limits


def test_one_ceiling_does_not_make_another_one_useless() -> None:
    limits = DEFAULT_LIMITS
    assert limits.inline_bytes <= limits.json_bytes <= limits.documents_bytes
    assert limits.json_string_bytes <= limits.json_bytes <= limits.json_memory_bytes
    assert limits.directories <= limits.members


def test_every_ceiling_can_be_lowered_for_one_import() -> None:
    for one in fields(Limits):
        assert getattr(Limits(**{one.name: 1}), one.name) == 1
