"""The operations that the fault layer strikes: every verb that writes, and the steps of a push."""

from __future__ import annotations

import random
import shutil
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import uvloop

from mirror.service import MirrorSettings
from store import Store
from store.errors import StoreError
from store.model.digests import Digest
from store.model.references import Repository
from store.registry.registry import Registry
from storectl.output.exit_codes import ExitCode
from tests.reliability.operation import Operation, Place, command
from tests.reliability.recoveries import RECOVERIES, damage_what_is_known
from tests.support.images import A, B, image, layer
from tests.support.layouts import MANIFEST, Layout, gzip, zstd
from tests.support.mirror_in_process import Answer, InProcessMirror
from tests.support.registry_client import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.reliability.operation import Tell

_CHANCE: Final = random.Random(16)
NOISE: Final = layer("noise", _CHANCE.randbytes(40_000))
OTHER: Final = layer("other", _CHANCE.randbytes(9_000))
HELD: Final = Image.of([OTHER], "held")
PUSHED: Final = Image.of([NOISE, OTHER], "pushed")


# --- pushes ---------------------------------------------------------------------------------------


class RefusedError(Exception):
    """The registry refused a request, as it may do during a fault."""


@contextmanager
def served(place: Place) -> Iterator[InProcessMirror]:
    """Serve the store over a socket."""
    with (
        Store.open(place.root) as store,
        InProcessMirror(store, MirrorSettings(), uvloop.new_event_loop) as ask,
    ):
        yield ask


def requests(send: Callable[[InProcessMirror, Tell], None]) -> Callable[[Place, Tell], int]:
    """Return a function that serves the store and sends requests; a refusal ends it with 10."""

    def run(place: Place, tell: Tell) -> int:
        try:
            with served(place) as ask:
                send(ask, tell)
        except RefusedError as exc:
            print(f"refused: {exc}")  # noqa: T201 - the output is checked
            return ExitCode.UNAVAILABLE
        except StoreError as exc:
            print(f"cannot serve: {exc}")  # noqa: T201 - the output is checked
            return ExitCode.UNAVAILABLE
        return 0

    return run


def accepted(answer: Answer, *statuses: int) -> Answer:
    """Return the answer if it has one of these statuses.

    Raises:
        RefusedError: It is an error that names a cause.
        AssertionError: It is an error that a fault must not cause.
    """
    if answer.status in statuses:
        return answer
    assert answer.status in {405, 503, 507}, (answer.status, answer.body)
    assert answer.code, answer.body
    raise RefusedError(f"{answer.status} {answer.code}")


def blob(repository: str, data: bytes, ask: InProcessMirror, tell: Tell) -> None:
    """Push a blob in one request."""
    digest = Digest.of(data)
    path = f"/v2/{repository}/blobs/uploads/?digest={digest}"
    accepted(ask("POST", path, data, Content_Type="application/octet-stream"), 201)
    tell(f"blob {repository} {digest}")


def pieces(ask: InProcessMirror, tell: Tell) -> None:
    """Push a blob in two pieces, as docker and containerd do."""
    begun = accepted(ask("POST", "/v2/pieces/blobs/uploads/", b""), 202)
    place = begun.headers["Location"]
    first = accepted(ask("PATCH", place, NOISE[:20_000]), 202)
    digest = Digest.of(NOISE)
    place = first.headers["Location"]
    joint = "&" if "?" in place else "?"
    accepted(ask("PUT", f"{place}{joint}digest={digest}", NOISE[20_000:]), 201)
    tell(f"blob pieces {digest}")


def manifest(repository: str, one: Image, tag: str, ask: InProcessMirror) -> None:
    """Push the manifest of an image whose blobs are there."""
    accepted(
        ask("PUT", f"/v2/{repository}/manifests/{tag}", one.manifest, Content_Type=MANIFEST), 201
    )


def whole_push(ask: InProcessMirror, tell: Tell) -> None:
    """Push an image: its blobs, then its manifest."""
    for data in PUSHED.blobs.values():
        blob("team/pushed", data, ask, tell)
    manifest("team/pushed", PUSHED, "1", ask)
    tell(f"tag team/pushed:1 {PUSHED.digest}")


def mount(ask: InProcessMirror, tell: Tell) -> None:
    """Mount a blob from another repository."""
    digest = Digest.of(OTHER)
    path = f"/v2/mounted/blobs/uploads/?mount={digest}&from=team/held"
    accepted(ask("POST", path, b""), 201)
    tell(f"blob mounted {digest}")


def delete(path: str, ask: InProcessMirror, _tell: Tell) -> None:
    """Delete a manifest, tag or blob; it may be gone already."""
    accepted(ask("DELETE", path), 202, 404)


def cancel(ask: InProcessMirror, _tell: Tell) -> None:
    """Begin an upload and cancel it."""
    begun = accepted(ask("POST", "/v2/cancelled/blobs/uploads/", b""), 202)
    place = accepted(ask("PATCH", begun.headers["Location"], OTHER), 202).headers["Location"]
    accepted(ask("DELETE", place), 204)


# --- the store before an operation ----------------------------------------------------------------


def write_archives(folder: Path) -> None:
    """Write an archive of each kind."""
    folder.mkdir()
    (folder / "docker.tar").write_bytes(image(A, NOISE, tags=("new:1", "new:2")).bytes())
    (folder / "known.tar").write_bytes(image(A, B, tags=("demo:1",)).bytes())
    (folder / "moved.tar").write_bytes(image(B, OTHER, tags=("demo:1",)).bytes())
    layout = Layout()
    amd, arm = layout.image(gzip(NOISE)), layout.image(zstd(OTHER), platform="linux/arm64")
    layout.root(layout.index(amd, arm), "docker.io/team/index:1")
    layout.root(layout.artifact(b"signature", subject=amd))
    (folder / "layout.tar").write_bytes(layout.tar())
    layout.folder(folder / "layout")


def build(place: Place) -> None:
    """Make the store that every operation begins with: it has something for each of them."""
    place.out.mkdir()
    write_archives(place.archives)
    with Store.open(place.root, create=True) as store:
        store.import_archive(place.archives / "known.tar")
        store.tag("demo:1", "second:1")
        (place.archives / "gone.tar").write_bytes(image(NOISE, tags=("gone:1",)).bytes())
        store.import_archive(place.archives / "gone.tar")
        store.remove("gone:1")
        (place.archives / "dangling.tar").write_bytes(image(E_LAYER, tags=("dangling:1",)).bytes())
        store.import_archive(place.archives / "dangling.tar")
        store.untag("dangling:1")
        registry, held = Registry(store), Repository.parse("team/held")
        for data in HELD.blobs.values():
            upload_id = registry.uploads.begin(held)
            with registry.uploads.resume(held, upload_id) as upload:
                upload.write(data)
            with registry.uploads.resume(held, upload_id) as upload:
                upload.finish(Digest.of(data))
        for tag in ("1", "2"):
            registry.put_manifest(held, HELD.manifest, media_type=MANIFEST, digest=None, tags=[tag])


E_LAYER: Final = layer("dangling", b"nobody names this\n")


def push_blobs_first(place: Place) -> None:
    """Push the blobs of an image, so that its manifest can be pushed alone."""
    with served(place) as ask:
        for data in PUSHED.blobs.values():
            blob("team/pushed", data, ask, lambda _: None)


def remove_the_store(place: Place) -> None:
    """Let the operation make the store."""
    shutil.rmtree(place.root)


def save_layout_once(place: Place) -> None:
    """Save another image, so that the operation adds to a layout."""
    command("save", "-q", "--format", "oci", "-o", "{out}/layout/", "second:1")(
        place, lambda _: None
    )


GONE: Final = frozenset({0, 3})
"""Exit codes of a repetition that finds its object gone."""

OPERATIONS: Final = (
    Operation("import a Docker archive", command("import", "-q", "{in}/docker.tar")),
    Operation("import an OCI archive", command("import", "-q", "{in}/layout.tar")),
    Operation("import an OCI folder", command("import", "-q", "{in}/layout")),
    Operation(
        "import uncompressed",
        command("import", "-q", "--compression", "none", "{in}/docker.tar"),
    ),
    Operation("import over a tag", command("import", "-q", "{in}/moved.tar")),
    Operation("import what is stored", command("import", "-q", "{in}/known.tar")),
    Operation(
        "import that heals",
        command("import", "-q", "{in}/known.tar"),
        prepare=damage_what_is_known,
        is_healing=True,
        is_restoring=True,
    ),
    Operation(
        "import into a new store",
        command("import", "-q", "{in}/docker.tar"),
        prepare=remove_the_store,
    ),
    Operation("tag", command("tag", "demo:1", "third:1")),
    Operation("untag", command("untag", "second:1"), done_codes=GONE),
    Operation("rm", command("rm", "demo:1"), done_codes=GONE),
    Operation(
        "rm --all-tags", command("rm", "--all-tags", "team/held"), is_atomic=False, done_codes=GONE
    ),
    Operation("gc", command("gc", "--now"), is_atomic=False),
    Operation("prune", command("prune", "-f"), is_atomic=False),
    Operation("fsck", command("fsck", "-q")),
    *RECOVERIES,
    Operation("events --prune", command("events", "--prune", "--keep", "1")),
    Operation(
        "save a file",
        command("save", "-q", "-o", "{out}/saved.tar", "demo:1"),
        output="saved.tar",
    ),
    Operation(
        "save a compressed file",
        command("save", "-q", "--format", "docker", "-o", "{out}/saved.tar.zst", "team/held:1"),
        output="saved.tar.zst",
    ),
    Operation(
        "save a layout",
        command("save", "-q", "--format", "oci", "-o", "{out}/layout/", "demo:1"),
        output="layout",
    ),
    Operation(
        "save into a layout",
        command("save", "-q", "--format", "oci", "-o", "{out}/layout/", "team/held:1"),
        prepare=save_layout_once,
        output="layout",
    ),
    Operation("push a blob", requests(partial(blob, "alone", NOISE))),
    Operation("push in pieces", requests(pieces)),
    Operation(
        "push a manifest",
        requests(lambda ask, _: manifest("team/pushed", PUSHED, "1", ask)),
        prepare=push_blobs_first,
    ),
    Operation("push an image", requests(whole_push), is_atomic=False),
    Operation("mount a blob", requests(mount)),
    Operation("cancel an upload", requests(cancel)),
    Operation("delete a tag", requests(partial(delete, "/v2/team/held/manifests/1"))),
    Operation(
        "delete a manifest", requests(partial(delete, f"/v2/team/held/manifests/{HELD.digest}"))
    ),
    Operation(
        "delete a blob",
        requests(partial(delete, f"/v2/team/pushed/blobs/{Digest.of(NOISE)}")),
        prepare=push_blobs_first,
    ),
)
