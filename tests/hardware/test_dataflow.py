"""Dataflows as values: a narrowed chip that reads and writes YAML, by name or as stays of one's own."""

from __future__ import annotations

import pytest

import picojoule
from picojoule.errors import SpecError
from picojoule.hardware.chip import Stay
from picojoule.hardware.chipfile.read import chip_from_yaml
from picojoule.hardware.chipfile.write import chip_to_yaml
from picojoule.hardware.dataflow import DATAFLOWS, constrained, dataflow
from picojoule.workload.kinds import kind
from picojoule.workload.layer import conv, gemm

CHIP = picojoule.load_chip("eyeriss-256")


@pytest.mark.parametrize("name", DATAFLOWS)
def test_a_narrowed_chip_survives_yaml_and_narrowing_twice_changes_nothing(name: str) -> None:
    once = constrained(CHIP, name)
    assert constrained(once, name) == once
    assert chip_from_yaml(chip_to_yaml(once)) == once
    assert len(DATAFLOWS[name].fixes) > 20


def test_a_chip_file_may_name_its_dataflow_or_state_stays_of_its_own() -> None:
    text = chip_to_yaml(CHIP)
    assert chip_from_yaml("dataflow: row-stationary\n" + text) == constrained(CHIP, "rs")
    own = chip_from_yaml(text + "\nstays:\n- {memory: RF, tensor: weight, whole: [batch]}\n")
    assert own.stays == (Stay("RF", "weight", ("batch",)),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dataflow: row-stationery\n", "unknown dataflow 'row-stationery'"),
        ("stays: [{memory: RG, tensor: weight}]\n", "unknown memory 'RG'"),
        ("stays: [{memory: RF, tensor: weights, whole: [rows]}]\n", "unknown kind of dimension 'rows'"),
        ("stays: [{memory: RF, tensor: wait}]\n", "unknown tensor 'wait'"),
    ],
)
def test_a_mistake_in_a_dataflow_is_located(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as e:
        chip_from_yaml(text + chip_to_yaml(CHIP), "c.yaml")
    assert e.value.where.startswith("c.yaml:1:")


def test_abbreviations_name_the_same_dataflow() -> None:
    assert dataflow("RS").name == "row-stationary" and dataflow("osa").name == "output-stationary-a"


def test_kinds_do_not_depend_on_letters() -> None:
    layer = conv(K=4, C=6, P=5, Q=5, R=3, S=3, batch=2, groups=2)
    found = [kind(layer, d) for d in "NGKCPQRS"]
    assert found == ["batch", "group", "out-channel", "in-channel", "row", "column", "filter-row", "filter-column"]
    assert [kind(gemm(M=2, N=3, K=4), d) for d in "MNK"] == ["batch", "out-channel", "in-channel"]
    assert kind(conv(K=4, C=6, P=5, Q=5, R=1, S=1), "P") == "row"
