"""Column types: how our values lie in SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NewType, final

from sqlalchemy import BigInteger, Integer, LargeBinary, String, Text
from sqlalchemy.types import TypeDecorator

from store.model.digests import Digest

if TYPE_CHECKING:
    from sqlalchemy import CursorResult
    from sqlalchemy.engine import Dialect

ContentKey = NewType("ContentKey", int)
LayerKey = NewType("LayerKey", int)
RepositoryKey = NewType("RepositoryKey", int)

# SQLite gives a row number of its own only to a column declared INTEGER; elsewhere 32 bits would be
# too few.
RowNumber: Final = BigInteger().with_variant(Integer(), "sqlite")
Bytes: Final = LargeBinary()


def inserted(result: CursorResult[Any]) -> int:
    """The row number that an insert of one row made."""
    key = result.inserted_primary_key
    assert key is not None  # noqa: S101 - one row, and the table has a primary key
    return int(key[0])


_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


# Rows that stand together often name one content: a manifest its tags, a layer its images.
_digest: Final = lru_cache(maxsize=1024)(Digest.parse)


@final
class DigestType(TypeDecorator[Digest]):
    """A digest as ``algorithm:hex``: readable in any SQL shell, and compared as text."""

    impl = String(140)
    cache_ok = True

    def process_bind_param(self, value: Digest | None, dialect: Dialect) -> str | None:
        """Digest to text."""
        del dialect
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Digest | None:
        """Text to Digest."""
        del dialect
        return None if value is None else _digest(value)


@final
class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC as fixed-width text, so that text order is time order."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Aware datetime to text."""
        del dialect
        return None if value is None else value.astimezone(UTC).strftime(_TIME)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Text to aware datetime."""
        del dialect
        return None if value is None else datetime.strptime(value, _TIME).replace(tzinfo=UTC)


@final
class JsonMap(TypeDecorator[Mapping[str, Any]]):
    """A small JSON object of our own making (never a document of an image: those are kept as bytes)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> str | None:
        """Mapping to sorted, compact JSON."""
        del dialect
        return (
            None
            if value is None
            else json.dumps(dict(value), sort_keys=True, separators=(",", ":"))
        )

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, Any] | None:
        """JSON to mapping."""
        del dialect
        return None if value is None else json.loads(value)
