"""The command line on a fake store, with a fixed clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from store import Reference
from store.formats.image.config import ImageConfig
from store.maintenance.reports import CollectionReport
from store.model.contents import Codec, ContentState, StoredEncoding
from store.model.digests import ChainID, DiffID, Digest, ImageID
from store.queries.details import ImageDetails, LayerDetails, ManifestDetails
from store.queries.results import TaggedReference
from storectl import cli, settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def image_id(text: str) -> ImageID:
    return ImageID(Digest.of(text.encode()))


ONE, TWO = image_id("one"), image_id("two")
MANIFEST = Digest.of(b"manifest")
PRESENT = Digest.of(b"blob")
DIFFS = (DiffID(Digest.of(b"base")), DiffID(Digest.of(b"top")))


class FakeStore:
    """A store that returns prepared answers or raises prepared errors, and records every call."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"manifests": (), "names": (), "digests": ()}
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.opened: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.opened = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - stands for any method
        def ask(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            self.asked.append((name, args, kwargs))
            answer = self.answers[name]
            if isinstance(answer, dict):
                answer = answer[args[0]]
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return ask


class Shell:
    """A command line in this process, with the text that the last run printed."""

    def __init__(self, store: FakeStore, capsys: pytest.CaptureFixture[str]) -> None:
        self.store = store
        self._capsys = capsys
        self.out = ""
        self.err = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        self._capsys.readouterr()
        got = cli.run(list(arguments))
        self.out, self.err = self._capsys.readouterr()
        assert got == code, self.err
        return self.out


def as_json(text: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(text)


def tagged(*names: str) -> tuple[TaggedReference, ...]:
    return tuple(TaggedReference(Reference.parse(name), MANIFEST) for name in names)


def image_details(
    *,
    parent: Any = None,  # noqa: ANN401
    layers: int = 2,
    last_tagged: datetime | None = NOW,
    **members: Any,  # noqa: ANN401
) -> ImageDetails:
    diffs = DIFFS[:layers]
    document = {
        "os": "linux",
        "architecture": "arm64",
        **members,
        "rootfs": {"type": "layers", "diff_ids": [str(diff) for diff in diffs]},
    }
    chains = ChainID.each(diffs) if diffs else ()
    return ImageDetails(
        image_id=ONE,
        config=ImageConfig.parse(json.dumps(document).encode()),
        references=tagged("x:2", "x:1", "y:1"),
        digests=(Reference.parse(f"z@{MANIFEST}"),),
        manifests=(
            ManifestDetails(
                MANIFEST, "application/vnd.oci.image.manifest.v1+json", 99, deterministic=True
            ),
        ),
        layers=tuple(
            LayerDetails(
                diff,
                chain,
                2048,
                ContentState.PRESENT,
                (StoredEncoding(PRESENT, Codec.ZSTD, 55, seekable=True),),
                ("https://example.com/layer",) if position else (),
            )
            for position, (diff, chain) in enumerate(zip(diffs, chains, strict=True))
        ),
        parent=parent,
        children=(TWO,),
        last_tagged=last_tagged,
    )


def collection_report(**changes: Any) -> CollectionReport:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "images": (ONE,),
        "manifests": 1,
        "layers": 2,
        "blobs": (PRESENT,),
        "freed_bytes": 1_234_567,
        "orphan_files": 1,
        "dead_operations": 0,
        "dry_run": False,
    }
    return CollectionReport(**(fields | changes))


def faked_shell(
    fake: FakeStore,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
) -> Shell:
    """Return a command line that uses a fake store until the test ends.

    Args:
        fake: The store.
        capsys: Captures the output.
        monkeypatch: Replaces the opening of stores.
        folder: The root that the settings name.
    """

    def resolve(
        root: str | None, environment: Mapping[str, str], *, debug: bool, lock_timeout_s: float
    ) -> settings.Settings:
        del root, environment, lock_timeout_s
        return settings.Settings(folder, debug, lambda: NOW)

    def opened(_self: settings.Settings, **options: bool | None) -> FakeStore:
        fake.opened = options
        return fake

    monkeypatch.setattr(settings, "resolve", resolve)
    monkeypatch.setattr(settings.Settings, "open", opened)
    return Shell(fake, capsys)
