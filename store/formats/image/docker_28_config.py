"""The structs of an image config that Docker Engine 28 reads differently from 20.10.

Source: docker-archive.md §9; moby v28, ``image/image.go``, ``api/types/container/config.go``, and
the HealthcheckConfig of moby/docker-image-spec v1.3.
"""

# ruff: noqa: RUF009 - `member` returns a dataclass field, as `dataclasses.field` does

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from store.formats.golang.containers import ListOf, Pointer
from store.formats.golang.json import parse
from store.formats.golang.structs import Struct, member, unmarshal
from store.formats.golang.types import INTEGER, STRING, TIME
from store.formats.image.docker_config import Config, V1Image
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from store.formats.golang.times import GoTime

# Each struct overrides one member of its 20.10 version with a different type. Overriding keeps the
# order of the members.


@final
@dataclass(frozen=True, slots=True)
class Healthcheck28:
    """How to check that a container is healthy. Zero and None mean "inherit"."""

    test: tuple[str, ...] | None = member("Test", ListOf(STRING), omit_empty=True)
    interval_ns: int = member("Interval", INTEGER, omit_empty=True)
    timeout_ns: int = member("Timeout", INTEGER, omit_empty=True)
    start_period_ns: int = member("StartPeriod", INTEGER, omit_empty=True)
    start_interval_ns: int = member("StartInterval", INTEGER, omit_empty=True)
    retries: int = member("Retries", INTEGER, omit_empty=True)


@final
@dataclass(frozen=True, slots=True)
class Config28(Config):
    """`Config`, with a health check that has a ``StartInterval``."""

    healthcheck: Healthcheck28 | None = member(
        "Healthcheck", Pointer(Struct(Healthcheck28)), omit_empty=True
    )  # type: ignore[assignment]


@final
@dataclass(frozen=True, slots=True)
class V1Image28(V1Image):
    """`V1Image`, whose creation time is None if it is absent or null in the config."""

    created: GoTime | None = member("created", Pointer(TIME))  # type: ignore[assignment]
    container_config: Config28 = member("container_config", Struct(Config28), omit_empty=True)
    config: Config28 | None = member("config", Pointer(Struct(Config28)), omit_empty=True)


V1_IMAGE_28: Final = Struct(V1Image28)


def read_v1_image_28(config: bytes, *, document: str) -> V1Image28:
    """Return the part of an image config that a v1 document repeats, without ``id`` and ``parent``.

    Args:
        config: The config's exact bytes.
        document: The config's name in errors.

    Raises:
        InvalidDocument: The config is not JSON, or a member has the wrong type.
        TooLarge: The config exceeds a ceiling for JSON.
    """
    return replace(
        unmarshal(V1_IMAGE_28, parse(config, DEFAULT_LIMITS, document=document), document=document),
        id="",
        parent="",
    )
