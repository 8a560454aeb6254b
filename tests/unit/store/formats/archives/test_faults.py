"""Errors that a claim keeps."""

from __future__ import annotations

from store.errors import InvalidArchive, InvalidDocument, Unavailable
from store.formats.archives.faults import FAULTS, kept


def fail() -> None:
    try:
        int("x")
    except ValueError as exc:
        raise InvalidDocument("wrong") from exc


def test_a_kept_error_holds_no_frame() -> None:
    found = None
    try:
        fail()
    except FAULTS as exc:
        found = kept(exc)
    assert isinstance(found, InvalidDocument)
    assert (found.__traceback__, found.__cause__, found.__context__) == (None, None, None)
    assert found.message == "wrong"


def test_a_disk_that_cannot_be_read_is_no_fault_of_an_image() -> None:
    assert isinstance(InvalidArchive("x"), FAULTS)
    assert not isinstance(Unavailable("x"), FAULTS)
