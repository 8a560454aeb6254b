from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import exporter
from exporter.options import Format, Layers, SaveOptions
from store import Store, errors
from tests.support.images import A, B, image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from store.model.digests import Digest


@pytest.fixture
def filled(store: Store) -> Store:
    store.import_archive(io.BytesIO(image(A, B, tags=("app:1",)).bytes()))
    return store


def saves(store: Store) -> int:
    return sum(event.action == "save" for event in store.events())


def test_the_default_format_is_legacy(filled: Store) -> None:
    with exporter.open_save(filled, ["app:1"]) as export:
        assert export.graph is None
        assert "repositories" in [entry.path for entry in export.plan.entries]


def test_a_legacy_save_with_encoded_layers_is_refused_before_names_are_resolved(
    store: Store,
) -> None:
    with (
        pytest.raises(errors.InvalidInput),
        exporter.open_save(store, ["absent:1"], options=SaveOptions(layers=Layers.GZIP)),
    ):
        pytest.fail("a legacy archive has plain layers")


@pytest.mark.parametrize("format_", [Format.LEGACY, Format.DOCKER])
def test_only_an_oci_save_can_be_a_folder(filled: Store, format_: Format, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with (
        exporter.open_save(filled, ["app:1"], options=SaveOptions(format_)) as export,
        pytest.raises(errors.InvalidInput),
    ):
        export.write_folder(folder)
    assert not folder.exists()


def test_a_save_is_recorded_unless_it_fails(filled: Store) -> None:
    with exporter.open_save(filled, ["app:1"], record=False):
        pass
    with pytest.raises(KeyError), exporter.open_save(filled, ["app:1"]):
        raise KeyError
    assert saves(filled) == 0
    with exporter.open_save(filled, ["app:1"]):
        pass
    assert saves(filled) == 1


@pytest.mark.parametrize("options", [SaveOptions(), SaveOptions(Format.OCI, layers=Layers.GZIP)])
def test_an_error_before_layers_are_encoded_ends_the_save(
    filled: Store, options: SaveOptions
) -> None:
    def refuse(size_bytes: int) -> None:
        # The layers are stored as zstd.
        assert size_bytes == (0 if options.layers is None else len(A) + len(B))
        raise PermissionError

    with (
        pytest.raises(PermissionError),
        exporter.open_save(filled, ["app:1"], options=options, before_encoding=refuse),
    ):
        pytest.fail("the save was not refused")


def test_names_that_move_before_the_lease_are_selected_again(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    leased = filled.leased
    leases: list[set[Digest]] = []

    @contextmanager
    def moving(kind: str, digests: Iterable[Digest]) -> Iterator[Path]:
        if not leases:
            filled.import_archive(io.BytesIO(image(B, A, A, tags=("app:1",)).bytes()))
        leases.append(set(digests))
        with leased(kind, leases[-1]) as folder:
            yield folder

    monkeypatch.setattr(filled, "leased", moving)
    with exporter.open_save(filled, ["app:1"]) as export:
        assert export.images == (filled.inspect("app:1").image_id,)
        assert {sources.digest for sources in export.contents} <= leases[-1]
    assert len(leases) == 2
