from __future__ import annotations

from pathlib import Path

from remote.credentials.places import AuthFile, Kind, auth_files

HOME = {"HOME": "/home/me"}


def test_the_files_are_searched_in_the_order_of_podman() -> None:
    assert auth_files(HOME, 1000) == (
        AuthFile(Path("/run/containers/1000/containers/auth.json"), Kind.CONTAINERS),
        AuthFile(Path("/home/me/.config/containers/auth.json"), Kind.CONTAINERS),
        AuthFile(Path("/home/me/.docker/config.json"), Kind.DOCKER),
        AuthFile(Path("/home/me/.dockercfg"), Kind.DOCKERCFG),
    )


def test_variables_move_the_files() -> None:
    moved = {"XDG_RUNTIME_DIR": "/run/me", "XDG_CONFIG_HOME": "/conf", "DOCKER_CONFIG": "/docker"}
    assert [file.path for file in auth_files({**HOME, **moved}, 1000)] == [
        Path("/run/me/containers/auth.json"),
        Path("/conf/containers/auth.json"),
        Path("/docker/config.json"),
        Path("/home/me/.dockercfg"),
    ]


def test_a_file_that_was_named_is_the_only_one() -> None:
    variable = {**HOME, "REGISTRY_AUTH_FILE": "/a/auth.json"}
    assert auth_files(variable, 0) == (
        AuthFile(Path("/a/auth.json"), Kind.CONTAINERS, is_chosen=True),
    )
    assert auth_files(variable, 0, Path("config.json")) == (
        AuthFile(Path("config.json"), Kind.DOCKER, is_chosen=True),
    )


def test_without_a_home_folder_the_session_has_a_file() -> None:
    assert [file.kind for file in auth_files({}, 0)] == [Kind.CONTAINERS]
