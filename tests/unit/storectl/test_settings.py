"""The settings of a run: the store's root, the clock, and the way in which the store is opened."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

import click
import pytest

from store import errors
from storectl.settings import Settings, resolve, store_root, utc_now


@pytest.mark.parametrize(
    ("given", "environment", "root"),
    [
        ("there", {"XDG_DATA_HOME": "/x", "HOME": "/home/me"}, "there"),
        (None, {"XDG_DATA_HOME": "/x", "HOME": "/home/me"}, "/x/storectl"),
        ("", {"XDG_DATA_HOME": "/x"}, "/x/storectl"),
        (None, {"XDG_DATA_HOME": "relative", "HOME": "/home/me"}, "/home/me/.local/share/storectl"),
        (None, {"XDG_DATA_HOME": "", "HOME": "/home/me"}, "/home/me/.local/share/storectl"),
        (None, {"HOME": "/home/me"}, "/home/me/.local/share/storectl"),
    ],
)
def test_the_root_is_the_given_folder_else_the_xdg_data_folder(
    given: str | None, environment: dict[str, str], root: str
) -> None:
    assert store_root(given, environment) == Path(root)
    assert resolve(given, environment, debug=True) == Settings(Path(root), debug=True)


def test_the_root_must_be_given_without_a_home_folder() -> None:
    with pytest.raises(click.UsageError, match="--root"):
        store_root(None, {})


def test_the_clock_has_a_time_zone() -> None:
    assert utc_now().tzinfo is UTC


def test_opening_creates_a_store_only_if_asked(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "store", now=lambda: utc_now() - timedelta(days=1))
    with pytest.raises(errors.StoreNotFound):
        settings.open()
    with pytest.raises(errors.StoreNotFound):
        settings.open(create=True, read_only=True)
    with settings.open(create=True) as store:
        assert utc_now() - store.now() > timedelta(hours=23)
    with settings.open(read_only=True) as store:
        assert store.read_only


def test_a_waiting_run_names_the_other_process(capsys: pytest.CaptureFixture[str]) -> None:
    from storectl.settings import report_wait

    report_wait("import-1\x1b[0m")
    report_wait("")
    assert (
        capsys.readouterr().err
        == "storectl: waiting for import-1\\x1b[0m…\nstorectl: waiting for another process…\n"
    )
