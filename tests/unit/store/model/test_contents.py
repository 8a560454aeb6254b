from __future__ import annotations

import pytest

from store.formats.compression.decoders import decoder
from store.model.contents import Codec


@pytest.mark.parametrize("codec", Codec)
def test_every_codec_that_the_catalogue_may_name_can_be_decoded(codec: Codec) -> None:
    decode = decoder(codec, max_bytes=10)
    assert list(decode.feed(b"")) == []
