from __future__ import annotations

import pytest

from exporter.selection.json_documents import compact, descriptor_of, parse_editable
from store.errors import InvalidDocument
from store.formats.image.manifests import Document
from store.model.remedies import Remedy
from tests.support.layouts import Layout


def test_json_has_no_spaces_and_unescaped_letters() -> None:
    assert compact({"a": [1, "ä<"], "b": {}}) == '{"a":[1,"ä<"],"b":{}}'.encode()


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    assert compact(["\ud800x"]) == '["\ufffdx"]'.encode()
    assert parse_editable(rb'{"a":"\udc00"}', "x") == {"a": "\udc00"}


def test_unknown_members_and_their_order_survive_editing() -> None:
    data = b'{"z":1,"a":{"unknown":[null,1.5]}}'
    assert compact(parse_editable(data, "x")) == data


@pytest.mark.parametrize(
    "data", [b'{"a":1e999}', b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"]
)
def test_a_document_that_python_cannot_write_is_invalid(data: bytes) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_editable(data, "manifest x")
    assert (caught.value.document, caught.value.remedy) == ("manifest x", Remedy.KEEP_LAYERS)


def test_a_descriptor_has_the_media_type_digest_and_size() -> None:
    layout = Layout()
    made = layout.image(b"layer")
    del made["platform"]
    assert descriptor_of(Document.parse(layout.blobs[made["digest"]])) == made
