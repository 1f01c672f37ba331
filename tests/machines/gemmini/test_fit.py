"""The fit recovers what made the numbers, shapes never leak over a split, and the command judges any file of the same columns."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import picojoule
from picojoule.errors import SpecError
from picojoule.machines.gemmini import fit as fitting
from picojoule.machines.gemmini.fit import fit, spearman, splits
from picojoule.machines.gemmini.latency import Counts, Parameters, cycles, free, phases, roofline
from picojoule.machines.gemmini.program import program
from picojoule.machines.gemmini.rows import read_rows
from picojoule.reproduction.experiments import gemmini_rtl
from tests.commands.run import pj

ROWS = read_rows()
SOME = ROWS[::9]
COUNTS = Counts.of([program(r) for r in SOME])
MADE = Parameters(
    issue=5.0, issue_per_lane=0.2, input_request=0.8, weight_request=2.5, convolution_bandwidth=7.0, product_bandwidth=13.0,
    page_walk=40.0, store_row=3.0, store_bandwidth=3.0, convolution_tile=400.0, product_tile=90.0, start=500.0, overlap=3.0,
    reach=128,
)  # fmt: skip
HEAD = "R,S,P,Q,C,K,stride_h,stride_w,mapping,rtl_cycles"


def one_reach(monkeypatch: pytest.MonkeyPatch, reach: int = 256) -> None:
    """Fits of the tests try one reach alone: four times faster."""
    monkeypatch.setattr(fitting, "REACHES", (reach,))


def test_the_fit_recovers_the_parameters_that_made_the_cycles() -> None:
    found = fit(COUNTS, cycles(COUNTS, MADE))
    assert found.reach == MADE.reach
    for f in free():
        assert getattr(found, f.name) == pytest.approx(getattr(MADE, f.name), rel=0.05), f.name
    assert cycles(COUNTS, found) == pytest.approx(cycles(COUNTS, MADE), rel=0.01)


def test_a_few_absurd_rows_do_not_bend_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    one_reach(monkeypatch, MADE.reach)
    measured = cycles(COUNTS, MADE)
    measured[::60] *= 80.0
    assert np.median(np.abs(cycles(COUNTS, fit(COUNTS, measured)) / cycles(COUNTS, MADE) - 1.0)) < 0.05


def test_cycles_lie_between_the_slowest_phase_and_the_sum_of_all() -> None:
    alone = np.array(list(phases(COUNTS, MADE).values()))
    total = cycles(COUNTS, MADE) - MADE.start
    assert (total >= alone.max(axis=0) * (1 - 1e-12)).all() and (total <= alone.sum(axis=0) * (1 + 1e-12)).all()
    one_after_another = replace(MADE, overlap=1.0)
    assert cycles(COUNTS, one_after_another) - MADE.start == pytest.approx(alone.sum(axis=0))


def test_dearer_parameters_never_make_a_layer_faster() -> None:
    base = cycles(COUNTS, MADE)
    for f in free():
        if f.name != "overlap":
            worse = 0.8 if "bandwidth" in f.name else 1.25
            assert (cycles(COUNTS, replace(MADE, **{f.name: getattr(MADE, f.name) * worse})) >= base * (1 - 1e-12)).all(), f.name
    assert (cycles(COUNTS, MADE) > roofline(COUNTS)).all()


def test_parameters_outside_their_meaning_are_refused() -> None:
    with pytest.raises(SpecError, match="product_bandwidth = 20 is outside 2 to 16"):
        replace(MADE, product_bandwidth=20.0)
    with pytest.raises(SpecError, match="a reach of 100 pages"):
        replace(MADE, reach=100)


def test_no_shape_stands_on_both_sides_of_a_split(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[tuple[int, ...]]] = []

    def spy(counts: Counts, measured: np.ndarray) -> Parameters:
        by_cycles = {r.cycles: r.shape.size for r in SOME}
        seen.append({by_cycles[float(m)] for m in measured})
        return MADE

    monkeypatch.setattr(fitting, "fit", spy)
    shapes = {r.shape.size for r in SOME}
    for split, fitted in zip(splits(SOME, COUNTS, 3, 0.3, 0), seen, strict=True):
        assert split.fitted.shapes == len(fitted) and split.unseen.shapes == len(shapes) - len(fitted)
        assert split.unseen.shapes == round(0.3 * len(shapes)) and split.fitted.rows + split.unseen.rows == len(SOME)


def test_spearman_knows_order_ties_and_nothing() -> None:
    assert spearman(np.array([1.0, 2, 3]), np.array([10.0, 20, 90])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2, 3]), np.array([9.0, 4, 1])) == pytest.approx(-1.0)
    assert spearman(np.array([1.0, 1, 2, 3]), np.array([1.0, 1, 2, 3])) == pytest.approx(1.0)
    assert np.isnan(spearman(np.array([1.0, 1]), np.array([1.0, 2])))


def test_a_wrong_model_makes_the_experiment_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    one_reach(monkeypatch)
    monkeypatch.setattr(fitting, "cycles", lambda counts, p: roofline(counts) + 1.0)
    monkeypatch.setattr(fitting, "fit", lambda counts, measured: MADE)
    assert not all(c.holds for c in gemmini_rtl.EXPERIMENT.run(lambda *_: None).checks)  # type: ignore[misc]


def test_a_file_is_predicted_blind_by_other_shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_reach(monkeypatch)
    file = tmp_path / "rows.csv"
    held = [r for r in ROWS if r.shape.size in {ROWS[0].shape.size, ROWS[800].shape.size}]
    file.write_text("# a remark\n" + "\n".join([HEAD, *map(line, held)]) + "\n", encoding="utf-8")
    report = picojoule.gemmini(file)
    assert "58 other shapes" in report.how and report.splits == ()
    assert report.score is not None and report.score.rows == len(held) and report.score.median_error_percent < 20
    code, out, err = pj("gemmini", file, "--json", "--rows")
    value = json.loads(out)
    assert code == 0 and err == "" and len(value["predictions"]) == len(held) and value["score"]["rows"] == len(held)
    first = value["predictions"][0]
    assert {"predicted_cycles", "rtl_cycles", "error_percent", "array", "phases_cycles", "mapping"} <= first.keys()
    assert set(value["parameters"]) == {f.name for f in fields(Parameters)}


def test_a_file_with_all_known_shapes_is_still_predicted_blind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_reach(monkeypatch)
    away: list[set[tuple[int, ...]]] = []
    real = fitting.fit

    def spy(counts: Counts, measured: np.ndarray) -> Parameters:
        by_cycles = {r.cycles: r.shape.size for r in ROWS}
        away.append({r.shape.size for r in ROWS} - {by_cycles[float(m)] for m in measured})
        return real(counts, measured)

    monkeypatch.setattr(fitting, "fit", spy)
    file = tmp_path / "some.csv"
    file.write_text("\n".join([HEAD, *map(line, ROWS[::5])]), encoding="utf-8")
    report = picojoule.gemmini(file)
    assert "in 4 groups" in report.how and len(away) == 4 and set().union(*away) == {r.shape.size for r in ROWS[::5]}
    assert report.score is not None and report.score.spearman > 0.95 and report.score.median_error_percent < 20
    assert all(sum(p.phases.values()) > 0 for p in report.predictions)


def test_rows_without_measured_cycles_are_predicted_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_reach(monkeypatch)
    file = tmp_path / "plain.csv"
    file.write_text("\n".join([HEAD.removesuffix(",rtl_cycles"), line(ROWS[0]).rpartition(",")[0]]), encoding="utf-8")
    report = picojoule.gemmini(file)
    assert report.score is None and report.predictions[0].cycles > 1e5
    code, out, _ = pj("gemmini", file)
    assert code == 0 and "no measured cycles" in out
    code, _, err = pj("gemmini", file, "--refit")
    assert code == 2 and "cannot be fitted" in err


def test_the_page_is_self_contained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_reach(monkeypatch)
    page = tmp_path / "gemmini.html"
    code, out, err = pj("gemmini", "--splits", 1, "--html", page)
    assert code == 0 and err == "" and "unseen shapes" in out and "left out:" in out
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text and "<script" not in text and "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert text.count("<circle") == len(ROWS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["has no rows"]),
        (HEAD, ["a header and no rows"]),
        (HEAD.replace("mapping", "maping") + "\n1", ["column 'mapping' is missing", "did you mean 'maping'?"]),
        (f"{HEAD}\n1,2", ["rows.csv:2: 2 cells, but 10 columns"]),
        (f"{HEAD}\n0,1,1,1,1,1,1,1,L3[WIO] N1 - L2[WI] N1 - L1[O] N1 - L0[W] N1,5", ["rows.csv:2: R='0'"]),
        (f"{HEAD}\n1,1,1,1,1,9,1,1,L3[WIO] K3 - L2[WI] N1 - L1[O] N1 - L0[W] N1,5", ["covers 3 of K=9"]),
        (f"{HEAD}\n1,1,1,1,1,1,1,1,L3[WIO] N1 - L2[WI] N1 - L1[O] N1 - L0[W] N1,-5", ["is no number of cycles"]),
        (f"{HEAD}\n1,1,1,1,1,1,1,1,L3 N1,5", ["rows.csv:2: 'L3 N1' is no level of a mapping"]),
    ],
)
def test_a_bad_file_names_its_line(text: str, words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(text, encoding="utf-8")
    code, out, err = pj("gemmini", file)
    assert (code, out) == (2, "") and all(w in err for w in words), err


def test_bad_options_say_what_to_write(tmp_path: Path) -> None:
    for arguments, words in (
        (["--held-back", "2"], "--held-back: 2.0 is no share"),
        (["--splits", "0"], "--splits: 0 is too small"),
        ([tmp_path / "nothing.csv"], "cannot read it"),
        ([tmp_path], "cannot read it"),
    ):
        code, out, err = pj("gemmini", *arguments)
        assert (code, out) == (2, "") and words in err, err
    few = tmp_path / "few.csv"
    few.write_text("\n".join([HEAD, *map(line, ROWS[:9])]), encoding="utf-8")
    code, _, err = pj("gemmini", few, "--refit")
    assert code == 2 and "9 rows of 1 shapes are too few to split" in err


def line(r: fitting.Row) -> str:
    s = r.shape
    return f"{s.R},{s.S},{s.P},{s.Q},{s.C},{s.K},{s.stride_h},{s.stride_w},{r.mapping},{r.cycles}"
