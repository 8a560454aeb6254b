"""Hypothesis strategies for image configs, as the bytes of a JSON document.

The strategies draw every field that Docker 20.10 reads, in every spelling that Docker reads. The
tables of fields follow Docker's structs (`image.Image`, `image.V1Image`, `container.Config`,
`HealthConfig`, `image.History`, `image.RootFS`); Docker ignores other fields. Keys are in any
order, may differ in case, and may repeat.

Docker is expected to load the configs. No test relies on this expectation: each test asks Docker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from hypothesis import strategies as st

from tests.support import go_times, json_text, layer_tars
from tests.support.images import digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy


@final
@dataclass(frozen=True, slots=True)
class ImageCase:
    """A config, and the layer files of its archive, base first."""

    config: bytes
    layers: tuple[bytes, ...]

    def __repr__(self) -> str:
        return (
            f"ImageCase(config={self.config!r},"
            f" layers={[f'{len(layer)} bytes, {digest(layer)[7:19]}' for layer in self.layers]})"
        )


Fields = dict[str, "SearchStrategy[bytes]"]

TEXT: Final = json_text.nullable(json_text.strings())
TEXTS: Final = json_text.nullable(json_text.array_of(TEXT))
FLAG: Final = json_text.nullable(json_text.booleans())
INTEGER: Final = json_text.nullable(json_text.integers())
TIME: Final = json_text.nullable(go_times.times())
# A command may be a string instead of an array.
COMMAND: Final = TEXTS | json_text.strings()
EMPTY_OBJECT: Final = json_text.nullable(
    st.just(b"{}") | json_text.object_of(json_text.strings(1), json_text.anything(), 2)
)
SET: Final = json_text.nullable(
    json_text.object_of(
        st.sampled_from((b'"80/tcp"', b'"9/udp"', b'"10/tcp"', b'"/data"')) | json_text.strings(2),
        EMPTY_OBJECT,
    )
)
MAP: Final = json_text.nullable(
    json_text.object_of(
        st.sampled_from((b'"z"', b'"a"', b'"A"', b'"a.b-c"')) | json_text.strings(2), TEXT
    )
)
LINUX: Final = json_text.nullable(json_text.escaped("linux") | st.just(b'""'))
"""Operating systems whose images this engine loads.

Other names crash or stop the engine (docker-archive.md §6.2). A store accepts every name.
"""

HEALTHCHECK: Final[Fields] = {
    "Test": TEXTS,
    "Interval": INTEGER,
    "Timeout": INTEGER,
    "StartPeriod": INTEGER,
    "Retries": INTEGER,
}

UNKNOWN: Final = st.sampled_from(
    (
        "zzz",
        "layer_id",
        "throwaway",
        "parent_id",
        "rootfs2",
        "os ",
        "",
        "PortSpecs",
        "Memory",
        "StartInterval",
        "moby.buildkit.cache.v0",
    )
)


@st.composite
def objects(
    draw: DrawFn,
    fields: Mapping[str, SearchStrategy[bytes]],
    *,
    max_size: int = 7,
    fixed: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """Draw an object with some of ``fields`` and all of ``fixed``, in any order.

    Some fields are drawn twice, and the object may have an unknown key.
    """
    names = draw(st.lists(st.sampled_from(sorted(fields)), max_size=max_size))
    members = [(draw(json_text.spelled(name)), draw(fields[name])) for name in names]
    if draw(st.integers(0, 3)) == 3:
        members.append(
            (
                draw(UNKNOWN.map(json_text.literal) | json_text.strings(2)),
                draw(json_text.anything()),
            )
        )
    members += fixed
    return json_text.join_object(
        draw(st.permutations(members)) if len(members) < 12 else members,
        draw(st.sampled_from(json_text.WHITESPACE)),
    )


def healthchecks() -> SearchStrategy[bytes]:
    return json_text.nullable(objects(HEALTHCHECK, max_size=4))


CONTAINER: Final[Fields] = {
    **dict.fromkeys(
        ("Hostname", "Domainname", "User", "Image", "WorkingDir", "MacAddress", "StopSignal"), TEXT
    ),
    **dict.fromkeys(
        (
            "AttachStdin",
            "AttachStdout",
            "AttachStderr",
            "Tty",
            "OpenStdin",
            "StdinOnce",
            "ArgsEscaped",
            "NetworkDisabled",
        ),
        FLAG,
    ),
    **dict.fromkeys(("ExposedPorts", "Volumes"), SET),
    **dict.fromkeys(("Env", "OnBuild"), TEXTS),
    **dict.fromkeys(("Cmd", "Entrypoint", "Shell"), COMMAND),
    "Healthcheck": healthchecks(),
    "Labels": MAP,
    "StopTimeout": INTEGER,
}


def containers() -> SearchStrategy[bytes]:
    return json_text.nullable(objects(CONTAINER))


V1_IMAGE: Final[Fields] = {
    **dict.fromkeys(
        (
            "id",
            "parent",
            "comment",
            "container",
            "docker_version",
            "author",
            "architecture",
            "variant",
        ),
        TEXT,
    ),
    **dict.fromkeys(("container_config", "config"), containers()),
    "created": TIME,
    "os": LINUX,
    "Size": INTEGER,
}

IMAGE: Final[Fields] = {**V1_IMAGE, "os.version": TEXT, "os.features": TEXTS}

HISTORY: Final[Fields] = {
    "created": TIME,
    **dict.fromkeys(("author", "created_by", "comment"), TEXT),
}


@st.composite
def histories(draw: DrawFn, depth: int) -> bytes:
    """Draw a history with at most ``depth`` entries that stand for a layer."""
    entries: list[bytes] = []
    for _ in range(draw(st.integers(0, 4))):
        if len(entries) < depth and draw(st.booleans()):
            entries.append(draw(st.just(b"null") | objects(HISTORY, max_size=3)))
        else:
            entries.append(
                draw(
                    objects(
                        HISTORY,
                        max_size=3,
                        fixed=[(draw(json_text.spelled("empty_layer")), b"true")],
                    )
                )
            )
    return json_text.join_array(entries, draw(st.sampled_from(json_text.WHITESPACE)))


@st.composite
def rootfs_members(draw: DrawFn, diff_ids: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """Draw ``rootfs``, whole or in several members that merge into one."""
    listed = json_text.join_array(
        [
            draw(json_text.escaped(diff)) if len(diff_ids) < 3 else json_text.literal(diff)
            for diff in diff_ids
        ],
        draw(st.sampled_from(json_text.WHITESPACE)),
    )
    key = json_text.spelled("rootfs")
    whole = draw(
        objects({"type": TEXT}, max_size=2, fixed=[(draw(json_text.spelled("diff_ids")), listed)])
    )
    before = draw(
        st.sampled_from(
            (
                b"",
                b"",
                b"",
                b"null",
                b"{}",
                b'{"type":"layers","diff_ids":["x","y"]}',
                b'{"diff_ids":null}',
            )
        )
    )
    after = draw(
        st.sampled_from(
            (
                b"",
                b"",
                b"",
                b"{}",
                b'{"type":null}',
                b'{"Type":"other"}',
                b'{"diff_ids":[' + b",".join([b"null"] * len(diff_ids)) + b"]}",
            )
        )
    )
    return [(draw(key), piece) for piece in (before, whole, after) if piece]


@st.composite
def sound_configs(draw: DrawFn, diff_ids: Sequence[str]) -> bytes:
    """Draw a config that Docker is expected to accept, for layers with these diff IDs."""
    names = draw(st.lists(st.sampled_from(sorted(IMAGE)), max_size=9))
    members = [(draw(json_text.spelled(name)), draw(IMAGE[name])) for name in names]
    history = st.tuples(json_text.spelled("history"), json_text.nullable(histories(len(diff_ids))))
    members += [draw(history) for _ in range(draw(st.sampled_from((0, 0, 1, 1, 1, 2))))]
    if draw(st.integers(0, 3)) == 3:
        members.append(
            (
                draw(UNKNOWN.map(json_text.literal) | json_text.strings(2)),
                draw(json_text.anything()),
            )
        )
    # The members that make up the rootfs keep their order; other members may stand between them.
    where = draw(st.integers(0, len(members)))
    pieces = draw(rootfs_members(diff_ids))
    members = (
        [*pieces[:-1], *members[:where], pieces[-1], *members[where:]]
        if draw(st.booleans())
        else [*members[:where], *pieces, *members[where:]]
    )
    around = st.sampled_from((b"", b"", b" ", b"\n", b"\r\n\t"))
    return (
        draw(around)
        + json_text.join_object(members, draw(st.sampled_from(json_text.WHITESPACE)))
        + draw(around)
    )


@st.composite
def sound_cases(draw: DrawFn) -> ImageCase:
    """Draw an image that Docker is expected to load."""
    layers = draw(layer_tars.stacks())
    return ImageCase(draw(sound_configs([digest(layer) for layer in layers])), layers)
