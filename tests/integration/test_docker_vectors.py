"""The command reproduces the test vectors of docker-archive.md §11 word for word."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import Runner
from tests.support.docker_vectors import (
    DIFF_A,
    DIFF_B,
    DIFF_E,
    EMPTY_CONFIG,
    V1,
    V2,
    V3,
    V4,
)
from tests.support.images import A, B, E, digest, layer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
from tests.support.docker_load import files, saved, with_config


@pytest.fixture
def run(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    return Runner(root, capfdbinary)


@pytest.fixture
def load(run: Runner, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that gives an archive to the command and returns its output."""

    def from_stdin(data: bytes, *, code: int = 0) -> str:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        return run("load", code=code)

    return from_stdin


def test_vectors_of_layers() -> None:
    assert (digest(A), digest(B), digest(E)) == (DIFF_A, DIFF_B, DIFF_E)
    assert (len(A), len(E)) == (2048, 1024)
    assert layer("a.txt", b"alpha\n")[148:156] == b"006764\0 "


V1_IDS = {
    "V1": (
        V1,
        (A,),
        "016549d13d84745bca1720b03db43c247085358b870df9fd04ade1acf27373c2",
        [DIFF_A],
        ["b03a912a9104e17009f7a7a7762accfef64eaf8a3357a05d5a1bb901e5c37893"],
    ),
    "V2": (
        V2,
        (A, B),
        "f163e6c35342aab370c6a75550692c8a2dd3d36b47d35fe0ac63faa39fc44986",
        [DIFF_A, "sha256:a4fb8770795237c59e7d7567eca5600337bbadc0a22e06e220c0d0cffcdb1b02"],
        [
            "a309493ca6907b37c6e09c91b459c9ceedf51e26889c4000b14455d6d31dcc27",
            "ecfe87140141c9a13a36d844110c95859d5666977eb0c27a671cf154f1890924",
        ],
    ),
    "V3": (
        V3,
        (A,),
        "feb89a28de3038fefc5ef2ba19b4dfd304e799b3bba901698ea73064563e4b2b",
        [DIFF_A],
        ["91b645cd0f99b1d8e38e2c9e15da0fda099028a3da37e6dc51a3578d9eeac78a"],
    ),
    "V4": (
        V4,
        (A, E, E, B),
        "1358859e6ac952c6e47acf4b6606082196575430e0a80f18ac5126538c15e99d",
        [
            DIFF_A,
            "sha256:f212cac847fbfd69dc463eb755fb00b84c7bd8b1750952684ec4a8c4ccf3ef55",
            "sha256:226f55386be4eac49d1ea8cd461a9d2f4e9d550eebb8e451a1fbe54683a16a3c",
            "sha256:d78c7cf0e793ac29bca5c425bd3203fa42cdaa370d2e70921b3d3bde26a8502e",
        ],
        [
            "a309493ca6907b37c6e09c91b459c9ceedf51e26889c4000b14455d6d31dcc27",
            "937dbecfd21ff4c080d3f8453d78ad65aaba44c4498d0658d8a6ad841db2e7ab",
            "f0a6ec90c8429747ff0c686416c02ee02f356aaadffca2469036957db8ee2de2",
            "fc9ae37952f799799c25c63ce6ad72d35beb4d193881b245f47e4471751a39e8",
        ],
    ),
}


@pytest.mark.parametrize("vector", V1_IDS)
def test_vectors_of_configs(run: Runner, load: Callable[..., str], vector: str) -> None:
    document, layers, config_hex, chain_ids, v1_ids = V1_IDS[vector]
    load(with_config(document, *layers))
    found = run.json("inspect", "v:1")[0]
    assert found["Id"] == f"sha256:{config_hex}"
    assert [one["ChainID"] for one in found["Layers"]] == chain_ids
    archive = files(saved(run, "v:1"))
    assert archive[f"{config_hex}.json"] == document
    assert json.loads(archive["manifest.json"])[0]["Layers"] == [
        f"{one}/layer.tar" for one in v1_ids
    ]
    assert archive["repositories"] == b'{"v":{"1":"%s"}}\n' % v1_ids[-1].encode()
    for name, text in V1_JSON.get(vector, {}).items():
        assert archive[f"{name}/json"].decode() == text.replace("@EMPTY@", EMPTY_CONFIG)


V1_JSON = {
    "V1": {
        "b03a912a9104e17009f7a7a7762accfef64eaf8a3357a05d5a1bb901e5c37893": (
            '{"id":"b03a912a9104e17009f7a7a7762accfef64eaf8a3357a05d5a1bb901e5c37893","created":"0001-01-01T00:00:00Z","container_config":@EMPTY@}'
        )
    },
    "V2": {
        "a309493ca6907b37c6e09c91b459c9ceedf51e26889c4000b14455d6d31dcc27": (
            '{"id":"a309493ca6907b37c6e09c91b459c9ceedf51e26889c4000b14455d6d31dcc27","created":"1970-01-01T00:00:00Z","container_config":@EMPTY@,"os":"linux"}'
        ),
        "ecfe87140141c9a13a36d844110c95859d5666977eb0c27a671cf154f1890924": (
            '{"id":"ecfe87140141c9a13a36d844110c95859d5666977eb0c27a671cf154f1890924",'
            '"parent":"a309493ca6907b37c6e09c91b459c9ceedf51e26889c4000b14455d6d31dcc27","created":"0001-01-01T00:00:00Z","container_config":@EMPTY@,"os":"linux"}'
        ),
    },
    "V3": {
        "91b645cd0f99b1d8e38e2c9e15da0fda099028a3da37e6dc51a3578d9eeac78a": (
            r'{"id":"91b645cd0f99b1d8e38e2c9e15da0fda099028a3da37e6dc51a3578d9eeac78a","created":"2020-02-29T12:34:56.12Z","container_config":@EMPTY@,'
            r'"config":{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,'
            r'"ExposedPorts":{"10/tcp":{},"9/tcp":{}},"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["P=/x"],"Cmd":["/a.txt","\u003c\u0026\u003e"],'
            r'"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{"a":"hé\u003cb\u003e","z":"1"}},'
            r'"architecture":"amd64","os":"linux"}'
        )
    },
}


def test_vector_v4_stands_as_a_link_where_its_layer_is_repeated(
    run: Runner, load: Callable[..., str]
) -> None:
    load(with_config(V4, A, E, E, B))
    with tarfile.open(fileobj=io.BytesIO(saved(run, "v:1"))) as archive:
        link = archive.getmember(
            "f0a6ec90c8429747ff0c686416c02ee02f356aaadffca2469036957db8ee2de2/layer.tar"
        )
    assert (
        link.linkname
        == "../937dbecfd21ff4c080d3f8453d78ad65aaba44c4498d0658d8a6ad841db2e7ab/layer.tar"
    )
