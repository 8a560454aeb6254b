"""A small part of the matrix and of the power cuts; ``make reliability`` tries all of it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.reliability import campaign
from tests.reliability.fault_layer import program
from tests.reliability.operations import OPERATIONS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("compiler")

NAMES: Final = tuple(one.name for one in OPERATIONS)
CUT: Final = (
    "import an OCI archive",
    "import into a new store",
    "tag",
    "gc",
    "save a layout",
    "push an image",
)


@pytest.mark.parametrize("half", [0, 1])
def test_every_operation_survives_faults_at_its_calls(half: int) -> None:
    found = campaign.behind_faults("matrix", campaign.QUICK.points, NAMES[half::2], parallel=1)
    assert [one["operation"] for one in found] == list(NAMES[half::2])
    assert [failure for one in found for failure in one["failures"]] == []
    assert min(one["calls"] for one in found) > 10


def test_operations_survive_power_cuts() -> None:
    found = campaign.behind_faults("cuts", campaign.QUICK.cuts, CUT, parallel=1)
    assert [failure for one in found for failure in one["failures"]] == []
    assert min(one["acknowledged"] for one in found) > 0


CARELESS: Final = """
import json, sys
from pathlib import Path
from store import Store
from tests.reliability import matrix, power_cuts, warm_statements
from tests.reliability.operation import Operation

def two_transactions(place, tell):
    with Store.open(place.root) as store:
        store.tag("demo:1", "first:1")
        store.tag("demo:1", "last:1")
    return 0

def no_sync(place, tell):
    (place.out / "saved").write_bytes(b"whole")
    return 0

def early(place, tell):
    tell("tag team/held:3 sha256:0")
    return two_transactions(place, tell)

warm_statements.share()
folder = Path(sys.argv[1])
matrix.prepare_folder(folder)
print(json.dumps({
    "half": matrix.try_operation(Operation("half", two_transactions), folder, 24).failures,
    "early": matrix.try_operation(Operation("early", early), folder, 3).failures,
    "cut": power_cuts.try_operation(Operation("cut", no_sync, output="saved"), folder, 2).failures,
}))
"""


def test_what_an_operation_must_not_do_is_found(tmp_path: Path) -> None:
    """Two transactions instead of one, a promise before the commit, an output without a sync."""
    command, environment = program("-c", CARELESS, str(tmp_path))
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert any("half done" in one for one in found["half"])
    assert found["early"]
    assert any("the output differs" in one for one in found["cut"])
