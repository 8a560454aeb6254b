"""The ceilings for labels and annotations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from store.errors import TooLarge
from store.formats.image.config import ImageConfig
from store.formats.image.label_budget import (
    LabelBudget,
    require_few_annotations,
    require_few_labels,
)
from store.formats.image.manifests import Document
from store.model.limits import DEFAULT_LIMITS
from tests.support.images import config
from tests.support.layouts import INDEX, encode

FEW = replace(DEFAULT_LIMITS, labels=3, labels_in_archive=5)


def labelled(count: int, name: str = "a") -> ImageConfig:
    return ImageConfig.parse(config(config={"Labels": {f"{name}{at}": "" for at in range(count)}}))


def annotated(count: int) -> Document:
    annotations = {f"{at}": "" for at in range(count)}
    return Document.parse(
        encode(
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": annotations}
        )
    )


def test_a_config_with_too_many_labels_is_named() -> None:
    require_few_labels(labelled(3), FEW)
    found = labelled(4)
    with pytest.raises(TooLarge) as caught:
        require_few_labels(found, FEW)
    assert caught.value.message == (
        f"invalid config {found.image_id}: 4 labels given, at most 3 allowed"
    )
    assert caught.value.limit == 3


def test_a_document_with_too_many_annotations_is_named() -> None:
    require_few_annotations(annotated(3), FEW)
    found = annotated(4)
    with pytest.raises(TooLarge) as caught:
        require_few_annotations(found, FEW)
    assert caught.value.message == (
        f"invalid index {found.digest}: 4 annotations given, at most 3 allowed"
    )


def test_labels_and_annotations_of_an_archive_count_together() -> None:
    budget = LabelBudget(FEW)
    budget.add_config(labelled(3))
    budget.add_document(annotated(2))
    budget.add_document(annotated(0))
    with pytest.raises(TooLarge, match="at least 6 given, at most 5 allowed") as caught:
        budget.add_config(labelled(1, "b"))
    assert caught.value.limit == 5


def test_a_document_counts_once() -> None:
    budget = LabelBudget(FEW)
    for _ in range(10):
        budget.add_config(labelled(3))
        budget.add_document(annotated(2))


def test_each_document_of_an_archive_has_the_ceiling_of_one_document() -> None:
    budget = LabelBudget(replace(FEW, labels_in_archive=1000))
    with pytest.raises(TooLarge, match="4 labels given"):
        budget.add_config(labelled(4))
    with pytest.raises(TooLarge, match="4 annotations given"):
        budget.add_document(annotated(4))
