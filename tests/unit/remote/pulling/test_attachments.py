"""Cosign's tags for what belongs to a manifest."""

from __future__ import annotations

from remote.pulling.attachments import attached_tags
from store.formats.archives.roles import attachment_of_tag
from store.model.digests import Digest


def test_the_tags_are_those_that_an_import_knows() -> None:
    subject = Digest.of(b"manifest")
    tags = attached_tags(subject)
    assert [tag.rpartition(".")[2] for tag in tags] == ["sig", "att", "sbom"]
    for tag in tags:
        attachment = attachment_of_tag(tag)
        assert attachment is not None
        assert (attachment.subject, attachment.tag) == (subject, tag)
