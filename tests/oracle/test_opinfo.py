"""PyTorch's own samples for all functions: what has once passed must pass.

parity.tsv says, for each entry and aspect, what passes; `python tools/parity.py` writes it. A run tries few
samples of each (`FLAMBEAU_OPINFO_LIMIT`).
"""

import parity
import pytest
from aspects import ASPECTS, assess
from opinfo import ENTRIES, torch

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

TABLE = parity.read()


def test_all_entries_are_in_the_table():
    assert set(TABLE) == set(ENTRIES), "run python tools/parity.py"
    assert all(list(parity.aspects(row)) == list(ASPECTS) for row in TABLE.values())


@pytest.mark.parametrize("name", sorted(set(TABLE) & set(ENTRIES)))
def test_what_passed_passes(name):
    torch.set_num_threads(1)
    found = assess(name, [a for a, word in parity.aspects(TABLE[name]).items() if word == "pass"])
    wrong = [f"{aspect}: {text}" for aspect, (word, text) in found.items() if word != "pass"]
    assert not wrong, "\n".join(wrong)


def test_core_functions_pass_in_all():
    """What typical training programs use has no difference but those that the table explains (and the order
    of strides, which elementwise results don't keep)."""
    rows = {name: row for name, row in TABLE.items() if row["tier"] == "core" and not row["remark"]}
    wrong = {
        n: a
        for n, row in rows.items()
        for a, word in parity.aspects(row).items()
        if word not in ("pass", "-") and a != "layout"
    }
    assert not wrong
