"""Every experiment runs, says where its claim comes from, and holds; a wrong number in it makes it differ."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from picojoule.errors import SpecError
from picojoule.reproduction import registry
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row, bar, mean_absolute_error, run
from tests.commands.run import pj

KNOWN = registry.experiments()


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if e.slow else []) for n, e in KNOWN.items()])
def test_an_experiment_is_reproduced_or_says_why_not(name: str) -> None:
    for package in KNOWN[name].needs:
        pytest.importorskip(package)
    try:
        done = registry.reproduce(name)
    except SpecError as error:
        if "fashion-mnist" in error.where:
            pytest.skip(str(error))  # a data set of an apt package
        raise
    failed = [f"{c.what}: {c.detail}" for c in done.outcome.checks if not c.holds]
    assert (done.verdict == "differs") == bool(KNOWN[name].differs), failed
    assert KNOWN[name].reason or (done.outcome.checks and done.outcome.rows)


def test_errors_have_the_sign_of_the_difference() -> None:
    row = Row(what="x", unit="ms", reported=4.0, predicted=3.0)
    assert row.error_percent == -25.0
    assert replace(row, predicted=5.0).error_percent == 25.0
    assert replace(row, reported=None).error_percent is None


def test_the_mean_takes_absolute_errors_of_one_group_and_leaves_composed_rows_out() -> None:
    rows = [
        Row(what="a", unit="", reported=1.0, predicted=1.1, group="g"),
        Row(what="b", unit="", reported=1.0, predicted=0.7, group="g"),
        Row(what="c", unit="", reported=1.0, predicted=9.0, group="h"),
        Row(what="d", unit="", reported=1.0, predicted=9.0, group="g", composed=True),
    ]
    assert mean_absolute_error(rows, "g") == pytest.approx(20.0)
    assert bar(rows, 20.1, "g").holds and not bar(rows, 19.9, "g").holds
    with pytest.raises(SpecError, match="no row of group 'nothing'"):
        mean_absolute_error(rows, "nothing")


def test_one_check_that_fails_makes_an_experiment_differ() -> None:
    checks = (Check(what="a", holds=True), Check(what="b", holds=False))
    made = Experiment(name="made", claim="c", source="s", run=lambda progress: Outcome(checks=checks))
    assert run(made).verdict == "differs"


def test_an_experiment_has_a_run_or_a_reason() -> None:
    with pytest.raises(SpecError, match="either a run or the reason"):
        Experiment(name="neither", claim="c", source="s")


def test_the_command_lists_runs_and_prints_json() -> None:
    code, out, _ = pj("reproduce")
    assert code == 0 and "table-ii" in out
    code, out, _ = pj("reproduce", "table-ii")
    assert code == 0 and "verdict: reproduced" in out and "+10.7" in out
    code, out, _ = pj("reproduce", "table-ii", "--json")
    assert code == 0 and json.loads(out)["experiments"][0]["verdict"] == "reproduced"


def test_an_unknown_experiment_names_the_nearest() -> None:
    code, out, err = pj("reproduce", "table-iii")
    assert (code, out) == (2, "") and "did you mean 'table-ii'?" in err


def test_what_cannot_be_reproduced_is_listed_with_its_reason() -> None:
    open_ones = [e for e in KNOWN.values() if e.reason]
    assert len(open_ones) >= 10
    assert all(len(e.reason) > 30 and e.source and e.claim and e.run is None for e in open_ones)
    code, out, _ = pj("reproduce", "tpu-v1-speedup")
    assert code == 0 and "verdict: not reproducible: the six applications are private" in out
    code, out, _ = pj("reproduce")
    assert code == 0 and out.count("NOT REPRODUCIBLE") == len(open_ones)
