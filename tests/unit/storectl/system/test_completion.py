"""Image names for completion in a shell; an error gives no names and no message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from store import Store, errors
from storectl import cli
from storectl.system.completion import IMAGE, filters, image_names, platforms, values
from tests.support.images import A, image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def asked(tmp_path: Path) -> click.Context:
    context = click.Context(cli.cli)
    context.params["root"] = str(tmp_path / "store")
    return context


def test_tags_that_begin_with_the_typed_text_are_offered(
    asked: click.Context, tmp_path: Path
) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(image(A, tags=("x:2", "x:1", "y:1")).bytes())
    with Store.open(tmp_path / "store", create=True) as store:
        store.import_archive(path)
    assert image_names(asked, click.Argument(["name"]), "x") == ["x:1", "x:2"]
    assert image_names(asked, click.Argument(["name"]), "") == ["x:1", "x:2", "y:1"]


def test_a_missing_store_is_not_created(asked: click.Context, tmp_path: Path) -> None:
    assert image_names(asked, click.Argument(["name"]), "") == []
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    "error", [errors.SchemaMismatch("newer"), OSError(5, "I/O"), RuntimeError("a fault")]
)
def test_errors_are_silent(
    asked: click.Context,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(Store, "open", fail)
    assert image_names(asked, click.Argument(["name"]), "") == []
    assert capsys.readouterr() == ("", "")


def test_no_names_are_offered_without_a_home_folder(
    asked: click.Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.params["root"] = None
    monkeypatch.setenv("HOME", "")
    assert image_names(asked, click.Argument(["name"]), "") == []


def test_the_values_of_options_are_offered() -> None:
    context, option = click.Context(cli.cli), click.Option(["--x"])
    assert values("json", "table")(context, option, "j") == ["json"]
    assert platforms(context, option, "linux/arm/") == ["linux/arm/v7", "linux/arm/v6"]


def test_the_keys_of_filters_come_first_and_then_their_values(
    asked: click.Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    option = click.Option(["--filter"])
    complete = filters(dangling=("true", "false"), before=(IMAGE,), label=())
    assert complete(asked, option, "") == ["dangling=", "before=", "label="]
    assert complete(asked, option, "da") == ["dangling="]
    assert complete(asked, option, "dangling=f") == ["dangling=false"]
    assert complete(asked, option, "label=x") == []
    assert complete(asked, option, "nope=x") == []
    monkeypatch.setattr("storectl.system.completion.image_names", lambda *_args: ["x:1"])
    assert complete(asked, option, "before=x") == ["before=x:1"]


def test_commands_and_aliases_have_whole_descriptions() -> None:
    context = click.Context(cli.cli)
    found = {item.value: item.help for item in cli.cli.shell_complete(context, "")}
    assert found.keys() == {*cli.VERBS, *cli.ALIASES}
    assert found["rm"] == "Remove tags, and images with their last tag."
    assert found["ls"] == "alias of images"
    assert [item.value for item in cli.cli.shell_complete(context, "ver")] == ["version", "verify"]
    assert "--root" in [item.value for item in cli.cli.shell_complete(context, "--ro")]
