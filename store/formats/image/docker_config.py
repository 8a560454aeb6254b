"""The structs of an image config in Docker Engine 20.10, with fields in the order of the JSON.

Source: docker-archive.md §2.1 and §2.2; moby v20.10, ``image/image.go`` and
``api/types/container/config.go``.
"""

# ruff: noqa: RUF009 - `member` returns a dataclass field, as `dataclasses.field` does

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.formats.golang.containers import KeySet, ListOf, MapOf, Pointer, StringOrList
from store.formats.golang.structs import Struct, member
from store.formats.golang.types import BOOLEAN, INTEGER, STRING, TIME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.formats.golang.times import GoTime


@final
@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How to check that a container is healthy. Zero and None mean "inherit"."""

    test: tuple[str, ...] | None = member("Test", ListOf(STRING), omit_empty=True)
    interval_ns: int = member("Interval", INTEGER, omit_empty=True)
    timeout_ns: int = member("Timeout", INTEGER, omit_empty=True)
    start_period_ns: int = member("StartPeriod", INTEGER, omit_empty=True)
    retries: int = member("Retries", INTEGER, omit_empty=True)


@dataclass(frozen=True, slots=True)
class Config:
    """The command and the settings of a container of the image.

    For lists, maps and pointers, None (null or absent) differs from empty.
    """

    hostname: str = member("Hostname", STRING)
    domainname: str = member("Domainname", STRING)
    user: str = member("User", STRING)
    attach_stdin: bool = member("AttachStdin", BOOLEAN)
    attach_stdout: bool = member("AttachStdout", BOOLEAN)
    attach_stderr: bool = member("AttachStderr", BOOLEAN)
    exposed_ports: tuple[str, ...] | None = member("ExposedPorts", KeySet(), omit_empty=True)
    tty: bool = member("Tty", BOOLEAN)
    open_stdin: bool = member("OpenStdin", BOOLEAN)
    stdin_once: bool = member("StdinOnce", BOOLEAN)
    env: tuple[str, ...] | None = member("Env", ListOf(STRING))
    cmd: tuple[str, ...] | None = member("Cmd", StringOrList())
    healthcheck: Healthcheck | None = member(
        "Healthcheck", Pointer(Struct(Healthcheck)), omit_empty=True
    )
    args_escaped: bool = member("ArgsEscaped", BOOLEAN, omit_empty=True)
    image: str = member("Image", STRING)
    volumes: tuple[str, ...] | None = member("Volumes", KeySet())
    working_dir: str = member("WorkingDir", STRING)
    entrypoint: tuple[str, ...] | None = member("Entrypoint", StringOrList())
    network_disabled: bool = member("NetworkDisabled", BOOLEAN, omit_empty=True)
    mac_address: str = member("MacAddress", STRING, omit_empty=True)
    on_build: tuple[str, ...] | None = member("OnBuild", ListOf(STRING))
    labels: Mapping[str, str] | None = member("Labels", MapOf(STRING))
    stop_signal: str = member("StopSignal", STRING, omit_empty=True)
    stop_timeout_s: int | None = member("StopTimeout", Pointer(INTEGER), omit_empty=True)
    shell: tuple[str, ...] | None = member("Shell", StringOrList(), omit_empty=True)


@dataclass(frozen=True, slots=True)
class V1Image:
    """An image of Docker before 1.10: the struct in ``<v1 ID>/json`` of a legacy archive.

    The configs of all later versions begin with the same members.
    """

    id: str = member("id", STRING, omit_empty=True)
    parent: str = member("parent", STRING, omit_empty=True)
    comment: str = member("comment", STRING, omit_empty=True)
    created: GoTime = member("created", TIME)
    container: str = member("container", STRING, omit_empty=True)
    container_config: Config = member("container_config", Struct(Config), omit_empty=True)
    docker_version: str = member("docker_version", STRING, omit_empty=True)
    author: str = member("author", STRING, omit_empty=True)
    config: Config | None = member("config", Pointer(Struct(Config)), omit_empty=True)
    architecture: str = member("architecture", STRING, omit_empty=True)
    variant: str = member("variant", STRING, omit_empty=True)
    os: str = member("os", STRING, omit_empty=True)
    size_bytes: int = member("Size", INTEGER, omit_empty=True)


@final
@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step of an image's build."""

    created: GoTime = member("created", TIME)
    author: str = member("author", STRING, omit_empty=True)
    created_by: str = member("created_by", STRING, omit_empty=True)
    comment: str = member("comment", STRING, omit_empty=True)
    empty_layer: bool = member("empty_layer", BOOLEAN, omit_empty=True)


CONFIG: Final = Struct(Config)
V1_IMAGE: Final = Struct(V1Image)
HISTORY: Final = ListOf(Struct(HistoryEntry))
