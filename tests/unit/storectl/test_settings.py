"""The settings of a run: the store's root, the clock, and the way in which the store is opened."""

from __future__ import annotations

from dataclasses import replace
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
    assert resolve(given, environment, debug=True).root == Path(root)


def test_the_root_must_be_given_without_a_home_folder() -> None:
    with pytest.raises(click.UsageError, match="--root"):
        store_root(None, {})


def test_the_clock_has_a_time_zone() -> None:
    assert utc_now().tzinfo is UTC


@pytest.mark.parametrize(
    ("given", "environment", "said"),
    [
        ("x", {}, "--root names this folder"),
        ("x", {"STORECTL_ROOT": "x"}, "STORECTL_ROOT names this folder"),
        (None, {"HOME": "/h"}, "this is the default folder: neither --root nor"),
    ],
)
def test_a_missing_store_says_where_its_name_comes_from(
    tmp_path: Path, given: str | None, environment: dict[str, str], said: str
) -> None:
    settings = replace(resolve(given, environment), root=tmp_path / "store")
    with pytest.raises(errors.StoreNotFound, match=str(tmp_path / "store")) as caught:
        settings.open()
    assert (caught.value.hint or "").startswith(said)


def test_opening_creates_a_store_only_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(tmp_path / "store", now=lambda: utc_now() - timedelta(days=1))
    with pytest.raises(errors.StoreNotFound):
        settings.open()
    with pytest.raises(errors.StoreNotFound):
        settings.open(create=True, read_only=True)
    assert not list(tmp_path.iterdir())
    capsys.readouterr()
    with settings.open(create=True) as store:
        assert utc_now() - store.now() > timedelta(hours=23)
    assert capsys.readouterr().err == f"storectl: created a store in {tmp_path / 'store'}\n"
    settings.open(create=True).close()
    assert capsys.readouterr().err == ""
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


def test_a_variable_says_how_long_files_stay_in_quarantine(tmp_path: Path) -> None:
    environment = {"HOME": "/h", "STORECTL_UNDO_FOR": "168h"}
    assert resolve("x", environment).undo_for == timedelta(days=7)
    assert resolve("x", {"HOME": "/h"}).undo_for is None
    with pytest.raises(click.UsageError, match="STORECTL_UNDO_FOR: invalid age"):
        resolve("x", {"HOME": "/h", "STORECTL_UNDO_FOR": "7d"})
    environment = {"HOME": "/h", "STORECTL_QUARANTINE": "720h"}
    with resolve(str(tmp_path / "store"), environment).open(create=True) as store:
        assert store.quarantine_for == timedelta(days=30)
    for text, age in (("0", timedelta(0)), ("", None)):
        settings = resolve("x", {"HOME": "/h", "STORECTL_QUARANTINE": text})
        assert settings.quarantine_for == age
    for text in ("30d", "-1h", "87601h"):
        with pytest.raises(click.UsageError, match="STORECTL_QUARANTINE"):
            resolve("x", {"HOME": "/h", "STORECTL_QUARANTINE": text})
