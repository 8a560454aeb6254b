"""Image configs as Docker Engine 28 reads them."""

from __future__ import annotations

import pytest

from store.errors import InvalidDocument
from store.formats.golang.times import GoTime
from store.formats.image.docker_28_config import V1_IMAGE_28, Healthcheck28, read_v1_image_28
from tests.support.docker_vectors import EMPTY_CONFIG


def written(text: str) -> str:
    return V1_IMAGE_28.write(read_v1_image_28(text.encode(), document="config")).decode()


def test_an_unknown_creation_time_stays_null() -> None:
    assert written("{}") == f'{{"created":null,"container_config":{EMPTY_CONFIG}}}'
    assert read_v1_image_28(b'{"created":null}', document="config").created is None
    known = read_v1_image_28(b'{"created":"2020-01-01T00:00:00Z"}', document="config")
    assert known.created == GoTime(2020)


def test_a_health_check_keeps_its_start_interval_before_the_retries() -> None:
    check = '"Healthcheck":{"Test":["t"],"StartPeriod":1,"StartInterval":2,"Retries":3}'
    image = read_v1_image_28(f'{{"config":{{{check}}}}}'.encode(), document="config")
    assert image.config is not None
    assert image.config.healthcheck == Healthcheck28(
        test=("t",), start_period_ns=1, start_interval_ns=2, retries=3
    )
    assert check in written(f'{{"config":{{{check}}}}}')


def test_id_and_parent_are_dropped() -> None:
    image = read_v1_image_28(b'{"id":"i","parent":"p","os":"linux"}', document="config")
    assert (image.id, image.parent, image.os) == ("", "", "linux")


def test_a_member_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(
        InvalidDocument, match=r"Healthcheck\.StartInterval: expected 64-bit integer"
    ):
        read_v1_image_28(
            b'{"config":{"Healthcheck":{"StartInterval":"1s"}}}', document="config abc"
        )
