"""The kinds of operations of each operator add up to the counts of `ops.py`."""

import pytest

from picojoule.hardware.vector_unit import KINDS
from picojoule.workload import ops as table
from picojoule.workload.primitives import MIXES, operations

COUNTED = table.PER_ELEMENT | table.NORMALISATION | table.REDUCTION


@pytest.mark.parametrize("op", sorted(COUNTED))
def test_the_parts_of_an_operator_add_up_to_its_count(op: str) -> None:
    assert sum(MIXES[op].values()) == COUNTED[op]
    found = operations(op, 7 * COUNTED[op], 7)
    assert found == {k: 7 * n for k, n in MIXES[op].items()}


def test_every_kind_is_one_that_a_vector_unit_may_have() -> None:
    assert {k for mix in MIXES.values() for k in mix} == set(KINDS)


def test_pools_means_and_local_norms_depend_on_their_results() -> None:
    assert operations("MaxPool", 90, 10) == {"compare": 90}
    assert operations("AveragePool", 90, 10) == {"add": 80, "multiply": 10}
    assert operations("LRN", 10 * table.lrn_ops(5), 10) == {"add": 50, "multiply": 20, "exp": 10, "divide": 10}
    assert operations("QLinearAdd", 12, 12) == {"add": 12}


def test_what_computes_nothing_has_no_operations_and_what_is_unknown_none_that_are_known() -> None:
    assert operations("Concat", 0, 10) == {}
    assert operations("Frobnicate", 10, 10) is None
