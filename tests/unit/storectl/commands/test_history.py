"""`history`: columns and JSON like Docker's."""

from __future__ import annotations

import json

from store.model.platforms import Platform
from tests.support.fake_shell import ONE, TWO, FakeStore, Shell, as_json, image_details

HISTORY = [
    {
        "created": "2025-12-30T03:04:05Z",
        "created_by": "/bin/sh -c #(nop) ADD\tfile:0123456789abcdef0123456789abcdef in /",
    },
    {"created_by": "ENV A=1\x1b[2J", "empty_layer": True, "comment": "a comment"},
    {"created": "2026-01-02T03:04:04Z", "created_by": "RUN true"},
]


def test_a_platform_chooses_the_image_of_an_index(shell: Shell, fake: FakeStore) -> None:
    fake.answers["inspect"] = image_details()
    shell("history", "--platform", "linux/aarch64", "x:1")
    assert fake.asked[0][1][1].wanted == (Platform.parse("linux/arm64"),)


def test_steps_are_newest_first_in_dockers_columns(shell: Shell, fake: FakeStore) -> None:
    fake.answers["inspect"] = {
        "x:1": image_details(history=HISTORY, parent=TWO),
        str(TWO): image_details(),
    }
    assert shell("history", "x:1").splitlines() == [
        (
            "IMAGE          CREATED        CREATED BY                                      SIZE    "
            "  COMMENT"
        ),
        (
            f"{ONE.digest.short}   1 second ago   RUN true                                       "
            " 2.05kB"
        ),
        (
            f"{TWO.digest.short}   N/A            ENV A=1\\x1b[2J                                 "
            " 0B        a comment"
        ),
        "<missing>      3 days ago     /bin/sh -c #(nop) ADD file:0123456789abcdef0…   2.05kB",
    ]
    plain = shell("history", "--no-human", "--no-trunc", "x:1").splitlines()
    assert plain[0].split() == ["IMAGE", "CREATED", "AT", "CREATED", "BY", "SIZE", "COMMENT"]
    assert plain[3].split()[:2] == ["<missing>", "2025-12-30T03:04:05Z"]
    assert plain[3].split()[-4:] == ["file:0123456789abcdef0123456789abcdef", "in", "/", "2048"]
    assert shell("history", "-q", "x:1").split() == [
        ONE.digest.short,
        TWO.digest.short,
        "<missing>",
    ]
    assert shell("history", "-q", "--no-trunc", "x:1").split() == [str(ONE), str(TWO), "<missing>"]


def test_json_has_a_line_for_each_step_or_one_document(shell: Shell, fake: FakeStore) -> None:
    fake.answers["inspect"] = image_details(history=HISTORY)
    assert json.loads(shell("history", "--format", "json", "x:1").splitlines()[1]) == {
        "Comment": "a comment",
        "CreatedAt": "N/A",
        "CreatedBy": "ENV A=1\x1b[2J",
        "CreatedSince": "N/A",
        "ID": "<missing>",
        "Size": "0B",
    }
    assert as_json(shell("history", "--json", "x:1"))[0] == {
        "Id": str(ONE),
        "Created": "2026-01-02T03:04:04Z",
        "CreatedBy": "RUN true",
        "Size": 2048,
        "Comment": "",
    }
