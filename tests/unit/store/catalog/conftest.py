"""Fixtures: an empty catalogue in memory, and a helper that inserts rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.catalog_rows import Rows, empty_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


@pytest.fixture
def connection() -> Iterator[Connection]:
    with empty_catalog() as opened:
        yield opened


@pytest.fixture
def rows(connection: Connection) -> Rows:
    return Rows(connection)
