"""`gc` with limits for what servers have pulled through."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.catalog.upstream import tags as upstream_tags
from store.model.references import Reference
from storectl import cli
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("limit", [("--cache-age", "24h"), ("--cache-size", "0")])
def test_the_report_counts_the_tags(
    limit: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    with Store.open(tmp_path / "store", create=True) as store:
        for name, layer, days in (("x:1", A, 0), ("x:2", B, 2)):
            put_image(store, layer, tags=(name,))
            digest = store.inspect_manifest(name).summary.digest
            with store.write() as connection:
                seen = upstream_tags.UpstreamTag(digest, "", now - timedelta(days=days))
                upstream_tags.put(connection, Reference.parse(name), seen)
    count = 1 if limit[0] == "--cache-age" else 2
    gc = ["--root", str(tmp_path / "store"), "gc", *limit]
    assert cli.run([*gc, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["CacheTags"] == count
    assert cli.run(gc) == 0
    assert f"Deleted: {count} tag(s) that were pulled through" in capsys.readouterr().out
    assert cli.run([*gc, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["CacheTags"] == 0
