"""Archives of other tools (tests/golden/tools): everything arrives, with its role, and goes on."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import zstandard

import exporter
from exporter import Format, SaveOptions
from store import Choice, Digest, ImportOptions, Reference, Store
from store.model.limits import DEFAULT_LIMITS
from store.model.platforms import DEFAULT_CHOICE
from store.previews.preview import preview
from store.queries.results import ImageFilter
from storectl import cli
from tests.support.imported_layouts import content

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN: Final = Path(__file__).parent.parent / "golden" / "tools"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
BLOB: Final = re.compile(
    r"(?:.*/)?(?:blobs/)?(?:(?P<algorithm>sha256|sha512)[-/])?(?P<hex>[0-9a-f]{64,})(?:\.manifest\.json)?"
)


@dataclass(frozen=True)
class Golden:
    """What an archive holds.

    Attributes:
        name: The name of the file.
        names: The digest of each name after the import.
        referrers: The type of each artifact that refers to a manifest: (subject, digest): type.
        tag: The name that the import is given, because the archive has none.
    """

    name: str
    names: dict[str, str]
    referrers: dict[tuple[str, str], str] = field(default_factory=dict)
    tag: str | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return GOLDEN / self.name

    def options(self) -> ImportOptions:
        """Return the options of the import."""
        tag = None if self.tag is None else Reference.parse(self.tag)
        return ImportOptions(choice=Choice(tag=tag))


SIGNED: Final = "sha256:ef452e4eae38a87a2d9fe2385a3cfa26b3658ecf6d2a3b06f3281d33d57c35d2"
SIGNED_TAG: Final = f"demo/app:{SIGNED.replace(':', '-')}"
SIGNATURE: Final = "sha256:6b94d6d6694832f81fd32870843fe4dbc073f8d2304e451513594f245f9d92d8"
ATTESTATION: Final = "sha256:6f68264004ea6a66f068f21bc0dea4bb31323571009919e7698c775fb0eda664"
INDEX: Final = "sha256:d876404c6694b0bfa8c6d3773dbedeb65acd99ee59b600ee0bc283a6398b6b2c"
NOTE: Final = "sha256:ee55fae60ad4a794e521bdc5bc9130a46245bbfa4a98a18add161ae24004f5a5"
CHART: Final = "sha256:5fbc475ac658114d4310a3d274d230767bc7583064d2d1e3de993f280626c7eb"
HOST: Final = "127.0.0.1:5931"
BUNDLES: Final = {
    (SIGNED, "sha256:531b4739c319fae41807206a344abfffca005698c2fb4542d7a10fa348d0e349"): BUNDLE,
    (SIGNED, "sha256:98d65280dfa5e219979625e0f5006df05fcadbf64b22992769f2d01c17f354b9"): BUNDLE,
}

BUILT: Final = "sha256:e226151cb9d523ba805a8bfb11e1ccdf8636a654bc51c2a874bc665ee5c78dee"
BUILT_OCI: Final = "sha256:a8bdd427b36d5f9c2b8a521fe2b9dc924b39c4b53b9930a90173412757203a0f"
OF_OCI: Final = "sha256:5600926b46f31cc302741b397eb4e32fa0f941d377ff3b08c52627c3cbda228b"
BUILT_DOCKER: Final = "sha256:3d6e502136c8de5781eb9df1453a7ee7794f0395640515247071cafeb4367933"
OF_DOCKER: Final = "sha256:c8088ab17170b6fcec7d5ea48e132d8846f16336d0d2937af3d705e03e9780da"
BUILT_LEGACY: Final = "sha256:39bb0aca772ff986820c4352e6c0d2308a6e3acd33af6301fae906509f6bf2db"
OF_BUILD: Final = "application/vnd.docker.attestation.manifest.v1+json"

GOLDENS: Final = (
    Golden("buildkit-0.34-oci.tar.gz", {"demo/built:1": BUILT_OCI}, {(BUILT, OF_OCI): OF_BUILD}),
    Golden(
        "buildkit-0.34-docker.tar.gz",
        {"demo/built:1": BUILT_DOCKER},
        {(BUILT, OF_DOCKER): OF_BUILD},
    ),
    Golden("buildkit-0.34-legacy.tar.gz", {"demo/built:1": BUILT_LEGACY}),
    Golden("cosign-3-bundles.tar.gz", {"demo/app:1": SIGNED}, BUNDLES, "demo/app:1"),
    Golden(
        "cosign-3-bundles-and-tags.tar.gz",
        {
            "demo/app:1": SIGNED,
            f"{SIGNED_TAG}.sig": SIGNATURE,
            f"{SIGNED_TAG}.att": ATTESTATION,
        },
        BUNDLES,
        "demo/app:1",
    ),
    Golden(
        "hauler-2.tar.zst",
        {
            f"{HOST}/demo/app:1": SIGNED,
            f"{HOST}/{SIGNED_TAG}.sig": SIGNATURE,
            f"{HOST}/{SIGNED_TAG}.att": ATTESTATION,
            f"{HOST}/demo/index:1": INDEX,
            "hauler/note.txt:latest": NOTE,
            "hauler/thing:1.0.0": CHART,
        },
        BUNDLES,
    ),
    Golden(
        "skopeo-dir-1.2.tar.gz",
        {"demo/dir:1": "sha256:8aab89b783e283f7e0e652c600530243654c0b6921b5259326c986e2a678e3f6"},
        tag="demo/dir:1",
    ),
)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tarfile.TarFile]:
    """Open an archive that is compressed by gzip or zstd."""
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        yield archive


def blobs(path: Path) -> dict[str, bytes]:
    """Return the files of an archive that are named by their digests."""
    with opened(path) as archive:
        return {
            f"{match['algorithm'] or 'sha256'}:{match['hex']}": archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive.getmembers()
            if member.isfile() and (match := BLOB.fullmatch(member.name)) is not None
        }


def names(store: Store) -> dict[str, str]:
    """Return the digest of each tag in a store."""
    filters = ImageFilter(include_intermediate=True)
    tagged = [
        (one.reference.familiar, str(one.manifest))
        for image in store.images(filters)
        for one in image.references
    ]
    tagged += [
        (name.familiar, str(one.digest))
        for one in store.manifests(filters)
        for name in one.references
    ]
    return dict(tagged)


def referrers(store: Store, subjects: set[str]) -> dict[tuple[str, str], str]:
    """Return the type of each artifact that states one of these subjects."""
    return {
        (subject, str(digest)): store.inspect_manifest(str(digest)).summary.artifact_type or ""
        for subject in subjects
        for digest in store.inspect_manifest(subject).referrers
    }


def check(store: Store, golden: Golden) -> None:
    assert list(store.fsck()) == []
    assert names(store) == golden.names
    assert referrers(store, {subject for subject, _ in golden.referrers}) == golden.referrers
    for digest, data in blobs(golden.path).items():
        assert content(store, digest) == data


@pytest.fixture(params=GOLDENS, ids=lambda golden: golden.name.partition(".tar")[0])
def golden(request: pytest.FixtureRequest) -> Golden:
    found: Golden = request.param
    return found


def sources(golden: Golden, folder: Path) -> Iterator[Path | io.BytesIO]:
    """Yield the archive as a file, as a pipe and as a folder."""
    yield golden.path
    yield io.BytesIO(golden.path.read_bytes())
    with opened(golden.path) as archive:
        archive.extractall(folder, filter="data")
    yield folder


def test_an_archive_arrives_whole_and_with_its_roles(golden: Golden, tmp_path: Path) -> None:
    assert blobs(golden.path)
    for number, source in enumerate(sources(golden, tmp_path / "unpacked")):
        with Store.open(tmp_path / f"store-{number}", create=True) as store:
            store.import_archive(source, golden.options())
            check(store, golden)


@pytest.mark.parametrize("form", [Format.OCI, Format.DOCKER])
def test_an_archive_goes_on(golden: Golden, form: Format, store: Store, tmp_path: Path) -> None:
    store.import_archive(golden.path, golden.options())
    out = io.BytesIO()
    options = SaveOptions(format=form, referrers=True)
    with exporter.open_save(store, list(golden.names), options=options) as export:
        export.write(out)
    with Store.open(tmp_path / "other", create=True) as other:
        other.import_archive(io.BytesIO(out.getvalue()))
        check(other, golden)
        again = io.BytesIO()
        with exporter.open_save(other, list(golden.names), options=options) as export:
            export.write(again)
    assert again.getvalue() == out.getvalue()


def test_inspect_states_the_type_and_the_subject_of_a_referrer(
    golden: Golden, root: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.import_archive(golden.path, golden.options())
    for (subject, digest), kind in golden.referrers.items():
        assert cli.run(["--root", str(root), "inspect", digest]) == 0
        (shown,) = json.loads(capsys.readouterr().out)
        assert (shown["Subject"], shown["ArtifactType"]) == (subject, kind)
        assert Digest.parse(shown["Digest"]) == Digest.parse(digest)


def test_a_preview_shows_what_an_import_takes(golden: Golden, tmp_path: Path) -> None:
    seen = preview(
        golden.path,
        DEFAULT_LIMITS,
        golden.options().choice,
        DEFAULT_CHOICE,
        lambda: tmp_path / "spool",
    )
    everything = ImageFilter(include_intermediate=True)
    shown = {
        str(one.manifest): one.reference.familiar
        for image in seen.image_list(everything)
        for one in image.references
    }
    for other in seen.manifest_list(everything):
        shown |= {str(other.digest): name.familiar for name in other.references}
    assert {name: digest for digest, name in shown.items()} == golden.names
