"""Against a real Docker Engine 20.10: the same image IDs, the same archives, and it loads what we save."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

import exporter
from scripts.compare_golden import without_link_times
from store import ImageID, Store, errors
from tests.support.engine import Engine, require
from tests.support.images import A, Archive, B, E, config, digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("engine")]
CONFIGS = int(os.environ.get("STORECTL_INTEROP_CONFIGS", "60"))
LAYERS = {"A": A, "B": B, "E": E}
TEXTS = ["", "plain", "<&>", "hé\u2028\u2029", 'quo"te\\', "\x01\b\f\n\t", "𝄞", "\u007f/'"]
TIMES = [
    "2020-02-29T12:34:56.120Z",
    "2015-10-21T07:28:00+02:30",
    "0001-01-01T00:00:00Z",
    None,
    "1969-12-31T23:59:59.5Z",
    "2021-01-01T1:02:03,5Z",
    "2250-01-01T00:00:00Z",
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    require("dockerd")
    running = Engine(tmp_path_factory.mktemp("engine"))
    try:
        running.wait()
        yield running
    finally:
        running.stop()


def generated(seed: int) -> tuple[bytes, list[bytes]]:
    """A config with all kinds of fields, and its layers."""
    chance = random.Random(seed)

    def text() -> str:
        return "".join(chance.choices(TEXTS, k=chance.randint(1, 2)))

    def container() -> dict[str, Any]:
        fields: dict[str, Any] = {
            "Hostname": text(),
            "User": text(),
            "AttachStdin": chance.random() < 0.5,
            "ExposedPorts": {"9/tcp": {}, "10/tcp": {}},
            "Tty": True,
            "Env": chance.choice([None, [], [text(), "A=1"]]),
            "Cmd": chance.choice([None, [], [text()], text()]),
            "entrypoint": chance.choice([None, [], ["/x"], "sh"]),
            "Healthcheck": chance.choice([None, {}, {"Test": ["NONE"], "Interval": 5, "Retries": 3}]),
            "Volumes": chance.choice([None, {}, {"/v": None, "/a": {"x": 1}}]),
            "Labels": chance.choice([None, {}, {text(): text(), "z": None}]),
            "OnBuild": chance.choice([None, [], ["RUN x"]]),
            "StopTimeout": chance.choice([None, 0, 10]),
            "StopSignal": text(),
            "Shell": chance.choice([None, [], ["/bin/sh"]]),
            "unknown": {"deep": [1, 2.5, None]},
        }
        return dict(chance.sample(sorted(fields.items()), chance.randint(0, len(fields))))

    layers = [LAYERS[name] for name in chance.choices("ABE", k=chance.choice([1, 2, 3, 8]))]
    fields: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "created": chance.choice(TIMES),
        "author": text(),
        "AUTHOR": text(),
        "comment": text(),
        "container": text(),
        "container_config": container(),
        "config": chance.choice([None, container()]),
        "docker_version": text(),
        "size": chance.choice([0, 42]),
        "variant": chance.choice(["", "v8"]),
        "history": [{"created": TIMES[0], "created_by": text(), "empty_layer": True}],
        "parent": "ignored",
        "seed": seed,
    }
    chosen = dict(chance.sample(sorted(fields.items()), chance.randint(3, len(fields))))
    document = {**chosen, "os": "linux", "seed": seed, "rootfs": {"type": "layers", "diff_ids": [digest(one) for one in layers]}}
    data = json.dumps(document, ensure_ascii=chance.random() < 0.5).encode()
    if chance.random() < 0.2:
        data = data.replace(b"plain", b"pl\xe2\x82A\\ud800in")
    return data, layers


def archive(configs: list[tuple[bytes, list[bytes]]]) -> bytes:
    made = Archive()
    for name, layer in LAYERS.items():
        made.file(name, layer)
    entries = []
    for number, (data, layers) in enumerate(configs):
        made.file(f"{number}.json", data)
        names = {digest(layer): name for name, layer in LAYERS.items()}
        entries.append({"Config": f"{number}.json", "RepoTags": [f"generated:{number}"], "Layers": [names[digest(layer)] for layer in layers]})
    return made.manifest(*entries).bytes()


def test_generated_configs_become_the_same_images_and_archives(engine: Engine, store: Store, tmp_path: Path) -> None:
    configs = [generated(seed) for seed in range(CONFIGS)]
    data = archive(configs)
    said = engine.load(data)
    assert not [line for line in said if "error" in line], said[-1]
    report = store.import_archive(io.BytesIO(data))
    assert [line["stream"] for line in said if "stream" in line] == [line + "\n" for line in report.lines]
    for number, (config_bytes, _) in enumerate(configs):
        name = f"generated:{number}"
        ours, theirs = tmp_path / "ours.tar", tmp_path / "theirs.tar"
        with exporter.open_save(store, [name]) as export, exporter.atomic_file(ours) as file:
            export.write(file)
        theirs.write_bytes(engine.save([name]))
        assert without_link_times(ours) == without_link_times(theirs), config_bytes
        assert f'"Config":"{ImageID.of(config_bytes).digest.hex}.json"'.encode() in theirs.read_bytes()


def test_docker_loads_what_we_save_and_saves_it_again(engine: Engine, store: Store, tmp_path: Path) -> None:
    engine.clear()
    store.import_archive(io.BytesIO(archive([generated(seed) for seed in range(100, 110)])))
    ours = tmp_path / "ours.tar"
    with exporter.open_save(store, ["generated"]) as export, exporter.atomic_file(ours) as file:
        export.write(file)
    said = engine.load(ours.read_bytes())
    assert [line for line in said if "error" in line] == []
    assert {line["stream"].strip() for line in said} == {f"Loaded image: generated:{number}" for number in range(10)}


def test_old_archives_become_the_images_docker_makes_of_them(engine: Engine, store: Store) -> None:
    engine.clear()
    made = Archive()
    for name, document, layer in (
        ("base", {"id": "base", "created": "2014-01-01T00:00:00.50Z", "author": "me <x>", "config": {"Env": ["X=1"]}, "unknown": 1.5}, A),
        ("top", {"id": "top", "parent": "base", "created": "2014-01-02T00:00:00Z", "docker_version": "1.9.1", "Size": 3, "zz": "é<", "os": "linux"}, B),
    ):
        made.directory(f"{name}/").file(f"{name}/VERSION", b"1.0").file(f"{name}/json", json.dumps(document).encode()).file(f"{name}/layer.tar", layer)
    data = made.file("repositories", b'{"old":{"top":"top","base":"base"}}').bytes()
    assert not [line for line in engine.load(data) if "error" in line]
    store.import_archive(io.BytesIO(data))
    for tag in ("old:top", "old:base"):
        status, body = engine.request("GET", f"/images/{tag}/json")
        theirs = json.loads(body)
        assert status == 200
        assert theirs["Id"] == str(store.inspect(tag).image_id)
        assert theirs["Parent"] == str(store.inspect(tag).parent or "")


def test_docker_refuses_what_we_refuse(engine: Engine, store: Store) -> None:
    for broken in (config(A, B), b"{}", b'{"rootfs":{"diff_ids":["sha256:' + b"0" * 64 + b'"]}}'):
        data = Archive().file("l", A).file("c", broken).manifest({"Config": "c", "RepoTags": ["bad:1"], "Layers": ["l"]}).bytes()
        assert [line for line in engine.load(data) if "error" in line]
        with pytest.raises(errors.InvalidInput):
            store.import_archive(io.BytesIO(data))
    assert store.images() == ()


@pytest.mark.parametrize("program", ["skopeo", "podman"])
def test_other_tools_read_what_we_save(program: str, store: Store, tmp_path: Path) -> None:
    require(program)
    data = Archive().file("a", A).file("b", B).file("c", config(A, B, A)).manifest({"Config": "c", "RepoTags": ["demo:1"], "Layers": ["a", "b", "a"]}).bytes()
    store.import_archive(io.BytesIO(data))
    saved = tmp_path / "saved.tar"
    with exporter.open_save(store, ["demo:1"]) as export, exporter.atomic_file(saved) as file:
        export.write(file)
    if program == "skopeo":
        command = ["skopeo", "--insecure-policy", "copy", f"docker-archive:{saved}", f"oci:{tmp_path}/layout:demo"]
    else:
        command = ["podman", "--root", f"{tmp_path}/root", "--runroot", tempfile.mkdtemp(prefix="run"), "--storage-driver=vfs", "load", "-i", str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
