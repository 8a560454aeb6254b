from __future__ import annotations

import json
from dataclasses import replace

import pytest

from exporter.planning import legacy
from exporter.planning.plan import EntryType, Plan
from exporter.selection.legacy_images import SelectedImage, Selection
from store import errors
from store.catalog.layers import ChainedLayer
from store.formats.image.config import ImageConfig
from store.model.contents import ContentState, Sources
from store.model.digests import ChainID, Digest, ImageID
from store.model.references import Reference
from store.model.remedies import Remedy
from tests.support.images import A, B, config
from tests.support.saved_graphs import document, inline


def selection_of(
    *images: tuple[bytes, tuple[str, ...]],
    state: ContentState = ContentState.PRESENT,
    url: str = "",
) -> Selection:
    """Return a selection of images; each of ``images`` is a config and the image's tags."""
    selected = []
    for data, tags in images:
        parsed = ImageConfig.parse(data)
        chains = ChainID.each(parsed.diff_ids) if parsed.diff_ids else ()
        chained = zip(parsed.diff_ids, chains, strict=True)
        layers = tuple(ChainedLayer(diff, chain, 0) for diff, chain in chained)
        selected.append(
            SelectedImage(parsed.image_id, tuple(map(Reference.parse, tags)), layers, None)
        )
    sources = {Digest.of(data): inline(Digest.of(data), data) for data, _ in images}
    foreign = {}
    for data in (A, B):
        digest = Digest.of(data)
        sources[digest] = Sources(digest, len(data), state, None, in_file=True, encodings=())
        if url:
            foreign[digest] = json.dumps({"urls": [url]}).encode()
    return Selection(tuple(selected), sources, {image.image_id: foreign for image in selected})


def plan_of(selection: Selection) -> Plan:
    def read(digest: Digest) -> ImageConfig:
        data = selection.sources[digest].inline
        assert data is not None
        return ImageConfig.parse(data)

    return legacy.plan(selection, read)


def test_a_repeated_layer_is_a_symbolic_link_to_the_first() -> None:
    plan = plan_of(selection_of((config(A, B, A), ("app:1",))))
    layers = [one for one in plan.entries if one.path.endswith("/layer.tar")]
    (link,) = (one for one in layers if one.type is EntryType.SYMLINK)
    assert len(layers) == 3
    assert link.link.removeprefix("../") in {
        one.path for one in layers if one.type is EntryType.FILE
    }


def test_images_with_equal_lower_layers_share_their_folders() -> None:
    plan = plan_of(selection_of((config(A, B), ("app:1",)), (config(A, B, A), ("app:2",))))
    items = document(plan, "manifest.json")
    assert [item["RepoTags"] for item in items] == [["app:1"], ["app:2"]]
    assert items[0]["Layers"][0] == items[1]["Layers"][0]
    folders = [one.path for one in plan.entries if one.type is EntryType.DIRECTORY]
    assert len(folders) == len(set(folders)) == 4


def test_members_are_sorted_by_name_without_slash() -> None:
    names = [
        one.path.split("/")[0] for one in plan_of(selection_of((config(A, B), ("app:1",)))).entries
    ]
    assert names == sorted(names)


def test_an_archive_without_tags_has_no_repositories() -> None:
    plan = plan_of(selection_of((config(A), ())))
    assert document(plan, "manifest.json")[0]["RepoTags"] is None
    assert "repositories" not in {one.path for one in plan.entries}


@pytest.mark.parametrize("url", ["https://example.org/\x1b[2J", ""])
def test_an_absent_layer_is_refused(url: str) -> None:
    with pytest.raises(errors.IncompleteImage) as caught:
        plan_of(selection_of((config(A), ("app:1",)), state=ContentState.ABSENT, url=url))
    assert str(Digest.of(A)) in caught.value.message
    assert "\x1b" not in caught.value.message


def test_an_image_whose_id_would_change_is_refused() -> None:
    selection = selection_of((config(A), ("app:1",)))
    image_id = ImageID(Digest.of(config(A), "sha512"))
    changed = replace(selection, images=(replace(selection.images[0], image_id=image_id),))
    with pytest.raises(errors.InvalidInput) as caught:
        plan_of(changed)
    assert str(image_id) in caught.value.message
    assert caught.value.remedy is Remedy.SAVE_AS_OCI_OR_DOCKER


def test_an_image_without_layers_is_refused() -> None:
    with pytest.raises(errors.NothingToExport):
        plan_of(selection_of((config(), ("empty:1",))))
