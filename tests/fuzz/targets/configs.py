"""Image configs, and the v1 texts and migrated configs made from them.

Each result can be read back, and the same input gives the same result.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from exporter.planning.v1_layers import v1_layers, v1_layers_28
from store.errors import InvalidDocument, StoreError
from store.formats.golang.json import parse
from store.formats.golang.structs import unmarshal
from store.formats.image.config import HistoryDigests, ImageConfig
from store.formats.image.docker_28_config import V1_IMAGE_28, read_v1_image_28
from store.formats.image.docker_config import V1_IMAGE
from store.formats.image.v1_migration import migrate, v1_parent
from store.model.digests import ChainID, DiffID
from store.model.limits import Limits
from tests.support.docker_vectors import DIFF_A, V1, V2, V3, V4, V5_JSON, V6_JSON

if TYPE_CHECKING:
    from exporter.planning.v1_layers import V1Layer
    from store.formats.golang.structs import Struct

MAX_BYTES: Final = 4096
LIMITS: Final = Limits(json_depth=100)
DIFF: Final = DiffID.parse(DIFF_A)
SEEDS: Final = (
    V1,
    V2,
    V3,
    V4,
    V5_JSON,
    V6_JSON,
    b'{"rootfs":{"diff_ids":["%s"]},"history":[{"created":"2020-01-01T00:00:00Z","created_by":"x"},{"empty_layer":true}],"config":{"Healthcheck":'
    b'{"Test":["NONE"],"Interval":1},"Volumes":{"/v":{}},"Entrypoint":"sh","Shell":["a"],"StopTimeout":3,"OnBuild":null,"ExposedPorts":null}}'
    % DIFF_A.encode(),
    b'{"ROOTFS":{"Diff_IDs":[]},"rootf\xc5\xbf":null,"os.features":["a"],"Config":null,"config":{"Labels":{"a":"b"}},"docker_version":"1.8.3"}',
)
TOKENS: Final = (
    b'"rootfs":',
    b'"diff_ids":[',
    b'"history":[',
    b'"empty_layer":true',
    b'"created":"0001-01-01T00:00:00Z"',
    b'"created":"2020-01-01T00:00:00+99:99"',
    b'"config":{',
    b'"container_config":{',
    b'"docker_version":"1.8.3"',
    b'"Labels":{',
    b'"Cmd":"',
    b'"Healthcheck":{',
    b'"Parent":"',
    b'"OS":"',
    b'"Size":9223372036854775807',
    b"\xc5\xbf",
    b"\xe2\x84\xaa",
    DIFF_A.encode(),
)


def check(data: bytes) -> None:
    """Read the text as a config and as a v1 image."""
    config = _config(data)
    if config is not None:
        assert ImageConfig.parse(data, LIMITS) == config
        history = HistoryDigests.of(config)
        assert history.may_precede(history) == (not config.history)
        if config.diff_ids:
            _written(config)
    _migrated(data, config)


def _config(data: bytes) -> ImageConfig | None:
    try:
        return ImageConfig.parse(data, LIMITS, document="it")
    except InvalidDocument as exc:
        assert exc.message.startswith("it: ")
        assert exc.message.isprintable()
        return None


def _written(config: ImageConfig) -> None:
    """Check that the v1 texts of Docker 20.10 and 28 read back as the same values."""
    chain = ChainID.each(config.diff_ids)
    for struct, layers in (
        (V1_IMAGE, v1_layers(config, chain)),
        (V1_IMAGE_28, v1_layers_28(read_v1_image_28(config.data, document="it"), chain)),
    ):
        assert len({layer.v1_id for layer in layers}) == len(layers)
        _read_again(struct, layers[-1], config)


def _read_again(struct: Struct[Any], layer: V1Layer, config: ImageConfig) -> None:
    try:
        again = unmarshal(struct, parse(layer.json, LIMITS, document="ours"), document="ours")
    except InvalidDocument as exc:
        # Go writes zones of a hundred hours and more, but does not read them.
        assert abs(config.created.offset_s or 0) >= 100 * 3600
        assert "created" in exc.message
        return
    assert again.id == layer.v1_id
    assert _unescaped(struct.write(again)) == _unescaped(layer.json)


def _unescaped(text: bytes) -> bytes:
    # Newer Go has short escapes for two control characters.
    return text.replace(rb"\u0008", rb"\b").replace(rb"\u000c", rb"\f")


def _migrated(data: bytes, parent: ImageConfig | None) -> None:
    try:
        v1_parent(data, LIMITS)
        before = unmarshal(V1_IMAGE, parse(data, LIMITS, document="it"), document="it")
        made = migrate(
            data, parent, (*(parent.diff_ids if parent is not None else ()), DIFF), LIMITS
        )
    except StoreError as exc:
        assert exc.message.isprintable()
        return
    after = ImageConfig.parse(made, LIMITS)
    assert after.diff_ids[-1] == DIFF
    assert len(after.history) == len(parent.history if parent is not None else ()) + 1
    keys = [key.lower() for key, _ in parse(data, LIMITS, document="it").members()]
    if len(set(keys)) < len(keys) or not all(map(str.isascii, keys)):
        # As in Docker, reading merges the values of repeated keys, and migrating keeps the last
        # one.
        return
    assert V1_IMAGE.write(replace(after.v1, size_bytes=0)) == V1_IMAGE.write(
        replace(before, id="", parent="", size_bytes=0)
    )
