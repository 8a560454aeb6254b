from __future__ import annotations

import pytest

from remote import errors
from remote.errors import RateLimited, RegistryError
from store.errors import StoreError
from storectl.output.exit_codes import ExitCode, exit_code

CODES = {
    "AccessDenied": 11,
    "BlobNotFound": 3,
    "BudgetReached": 12,
    "CertificateRefused": 12,
    "ContentRefused": 4,
    "FalseAnswer": 4,
    "InvalidAnswer": 4,
    "ManifestNotFound": 3,
    "Offline": 12,
    "RateLimited": 12,
    "RegistryFailed": 12,
    "RegistryUnavailable": 12,
    "RemoteRepositoryNotFound": 3,
    "Unreachable": 12,
    "UnsafeTarget": 4,
}


def leaves() -> dict[str, type[RegistryError]]:
    found = vars(errors).values()
    return {
        one.__name__: one
        for one in found
        if isinstance(one, type) and issubclass(one, RegistryError) and one is not RegistryError
    }


def test_every_error_has_an_exit_code() -> None:
    assert leaves().keys() == CODES.keys()


@pytest.mark.parametrize("name", sorted(CODES))
def test_an_error_names_registry_and_repository(name: str) -> None:
    error = leaves()[name]("cannot", registry="r.example", repository="app", status=500)
    assert isinstance(error, StoreError)
    assert (error.registry, error.repository, error.status) == ("r.example", "app", 500)
    assert exit_code(error) == ExitCode(CODES[name])


def test_a_rate_limit_has_its_pause() -> None:
    assert RateLimited("cannot", registry="r.example", retry_after_s=7).retry_after_s == 7
