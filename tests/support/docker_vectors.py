"""The test vectors of docker-archive.md §11, and the files of the archives in ``tests/golden``.

Docker Engine 20.10 confirmed every ID in the vectors.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Final

GOLDEN: Final = Path(__file__).parent.parent / "golden"
GOLDEN_NAMES: Final = tuple(sorted(path.stem for path in GOLDEN.glob("*.tar")))
GOLDEN_28: Final = GOLDEN / "docker-28"
GOLDEN_NAMES_28: Final = tuple(sorted(path.stem for path in GOLDEN_28.glob("*.tar")))

DIFF_A: Final = "sha256:5bb9aeab49faf0bd9fdc0cc72130539431211fd9671ef758c460969ec4b8ba38"
DIFF_B: Final = "sha256:04175db26e274e1dff435ae9e0bb3831a6f2c185d782303ed610773909b7369a"
DIFF_E: Final = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

EMPTY_CONFIG: Final = (
    '{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,'
    '"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,'
    '"Env":null,"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,'
    '"OnBuild":null,"Labels":null}'
)

V1: Final = f'{{"rootfs":{{"type":"layers","diff_ids":["{DIFF_A}"]}}}}'.encode()
V2: Final = (
    f'{{"created":null,"os":"linux","rootfs":{{"type":"layers","diff_ids":["{DIFF_A}",'
    f'"{DIFF_B}"]}}}}'
).encode()
V3: Final = (
    r'{"architecture":"amd64","config":{"Cmd":["/a.txt","<&>"],"Env":["P=/x"],"ExposedPorts":{'
    r'"9/tcp":{},"10/tcp":{}},"Labels":{"z":"1","a":"hé\u003cb>"}},'
    r'"created":"2020-02-29T12:34:56.120Z","history":[{"created":"2020-02-29T12:34:56.120Z"}],'
    r'"os":"linux","rootfs":{"type":"layers","diff_ids":["'
    f'{DIFF_A}"]}}}}'
).encode()
V4: Final = (
    '{"created":"2015-10-21T07:28:00+02:30","author":"me","AUTHOR":"you","size":42,'
    f'"parent":"sha256:{"ab" * 32}","id":"x","os":"linux","rootfs":{{"type":"layers",'
    f'"diff_ids":["{DIFF_A}","{DIFF_E}","{DIFF_E}","{DIFF_B}"]}}}}'
).encode()

V5_JSON: Final = (
    f'{{"id":"{"b" * 64}","created":"2014-01-01T00:00:00.50Z","author":"me'
    ' <me@x>","comment":"hi","container_config":{"Cmd":["/bin/sh","-c","echo base"]},'
    '"config":{"Env":["X=1"],"PortSpecs":["80"]},"architecture":"amd64","os":"linux","Size":123,'
    '"unknown":1.50}'
).encode()
V5_CONFIG: Final = (
    rb'{"architecture":"amd64","author":"me'
    rb' \u003cme@x\u003e","comment":"hi","config":{"Hostname":"","Domainname":"","User":"",'
    rb'"AttachStdin":false,'
    rb'"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,'
    rb'"Env":["X=1"],"Cmd":null,"Image":"","Volumes":null,'
    rb'"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null},"container_config":{'
    rb'"Hostname":"","Domainname":"","User":"","AttachStdin":false,'
    rb'"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,'
    rb'"Env":null,"Cmd":["/bin/sh","-c","echo'
    rb' base"],"Image":"",'
    rb'"Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null},'
    rb'"created":"2014-01-01T00:00:00.5Z","history":[{'
    rb'"created":"2014-01-01T00:00:00.5Z","author":"me \u003cme@x\u003e","created_by":"/bin/sh -c'
    rb' echo base","comment":"hi"}],"os":"linux","rootfs":{'
    rb'"type":"layers","diff_ids":["sha256:5bb9aeab49faf0bd9fdc0cc72130539431211fd9671ef758c460969'
    rb'ec4b8ba38"]}}'
)
V5_IMAGE_ID: Final = "sha256:7aa50350465cd4ac0ac1a06682fd3f2815affbe6836e30aca45a9ea62c1e29f8"

V6_JSON: Final = (
    f'{{ "id":"{"a" * 64}","parent":"{"b" * 64}","created":"2014-01-02T00:00:00.500Z",'
    f'"docker_version":"1.9.1","container_config":{{"Cmd":["/bin/sh","-c",'
    '"#(nop) LABEL <x>"]},\n"config":{"zCmd":["a"],'
    ' "Env":["X=\\u00e9<&>\u2028"]},"Size":0,"size":5,"zzz":1.50,"throwaway":true,"parent_id":"x",'
    '"layer_id":"y","null":null,"big":12345678901234567890,"e":1e3,"os":"linux",'
    '"<k>":"\\u003c\\/","dup":1,"dup":2,"author":"a\\u0041\\ud800"}'
).encode()
V6_CONFIG: Final = (
    r'{"\u003ck\u003e":"\u003c\/","author":"a\u0041\ud800","big":12345678901234567890,"config":{'
    r'"zCmd":["a"],"Env":["X=\u00e9\u003c\u0026\u003e\u2028"]},'
    r'"container_config":{"Cmd":["/bin/sh","-c","#(nop) LABEL'
    r' \u003cx\u003e"]},"created":"2014-01-02T00:00:00.500Z","docker_version":"1.9.1","dup":2,'
    r'"e":1e3,'
    r'"history":[{"created":"2014-01-01T00:00:00.5Z","author":"me'
    r' \u003cme@x\u003e","created_by":"/bin/sh -c echo base","comment":"hi"},{'
    r'"created":"2014-01-02T00:00:00.5Z","author":"aA'
    "\ufffd"
    r'","created_by":"/bin/sh -c #(nop) LABEL \u003cx\u003e"}],"null":null,"os":"linux",'
    r'"rootfs":{"type":"layers","diff_ids":["sha256:5bb9aeab49faf0bd9fdc0cc72130539431211fd9671ef7'
    r'58c460969ec4b8ba38",'
    r'"sha256:04175db26e274e1dff435ae9e0bb3831a6f2c185d782303ed610773909b7369a"]},"size":5,'
    r'"zzz":1.50}'
).encode()
V6_IMAGE_ID: Final = "sha256:ba0c04404f9544a231ba12c50f25b93c35df90c93120ef00c97704baea65a1a0"


def golden_files(name: str) -> dict[str, bytes]:
    """Return the regular files of a golden archive of Docker 20.10, by member name."""
    return _files(GOLDEN / f"{name}.tar")


def golden_files_28(name: str) -> dict[str, bytes]:
    """Return the regular files of a golden archive of Docker 28, by member name."""
    return _files(GOLDEN_28 / f"{name}.tar")


def _files(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {
            member.name: reader.read()
            for member in archive
            if member.isreg() and (reader := archive.extractfile(member)) is not None
        }
