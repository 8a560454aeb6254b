"""Every error has one documented exit code."""

from __future__ import annotations

import pytest

from store import errors
from storectl.output.exit_codes import MEANING, ExitCode, exit_code

PUBLISHED = {
    "InvalidInput": 4,
    "InvalidDigest": 4,
    "InvalidReference": 4,
    "InvalidArchive": 4,
    "TruncatedInput": 4,
    "UnsafePath": 4,
    "MissingMember": 4,
    "CorruptStream": 4,
    "InvalidDocument": 4,
    "DigestMismatch": 4,
    "MissingLayers": 4,
    "MissingBlobs": 4,
    "RepositoryNotFound": 3,
    "ContentNotFound": 3,
    "UploadNotFound": 3,
    "OutOfOrder": 6,
    "DiffMismatch": 6,
    "UploadInUse": 6,
    "TooManyUploads": 6,
    "TooLarge": 4,
    "NothingToExport": 4,
    "NotFound": 3,
    "ReferenceNotFound": 3,
    "ImageNotFound": 3,
    "Conflict": 6,
    "AmbiguousName": 6,
    "NameTaken": 6,
    "IncompleteImage": 6,
    "ImageInUse": 6,
    "IntegrityError": 5,
    "DamagedContent": 5,
    "FalseEncoding": 5,
    "ContentMissing": 5,
    "Unavailable": 10,
    "StorageFull": 7,
    "ReadOnlyStore": 8,
    "PermissionDenied": 9,
    "StoreBusy": 10,
    "StoreNotFound": 10,
    "SchemaMismatch": 10,
}


def below(cls: type[errors.StoreError]) -> list[type[errors.StoreError]]:
    found = [leaf for child in cls.__subclasses__() for leaf in (child, *below(child))]
    return [
        leaf for leaf in found if leaf.__module__ in {errors.__name__, "store.model.base_errors"}
    ]


def test_the_published_table_has_every_error() -> None:
    assert {cls.__name__ for cls in below(errors.StoreError)} == PUBLISHED.keys()


@pytest.mark.parametrize("cls", below(errors.StoreError), ids=lambda cls: cls.__name__)
def test_every_error_ends_with_its_published_code(cls: type[errors.StoreError]) -> None:
    assert exit_code(cls.__new__(cls)) == PUBLISHED[cls.__name__]


def test_an_error_outside_the_branches_is_an_unexpected_failure() -> None:
    assert exit_code(errors.StoreError("?")) == 1


def test_every_code_has_a_meaning() -> None:
    assert MEANING.keys() == set(ExitCode)
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "FAILURE": 1,
        "USAGE": 2,
        "NOT_FOUND": 3,
        "INVALID_INPUT": 4,
        "CORRUPT": 5,
        "CONFLICT": 6,
        "STORAGE_FULL": 7,
        "READ_ONLY": 8,
        "NO_PERMISSION": 9,
        "UNAVAILABLE": 10,
        "ACCESS_DENIED": 11,
        "REGISTRY_UNAVAILABLE": 12,
        "HUNG_UP": 129,
        "INTERRUPTED": 130,
        "BROKEN_PIPE": 141,
        "TERMINATED": 143,
    }
