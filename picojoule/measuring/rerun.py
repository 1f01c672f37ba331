"""Measure a stored measurement again: what drifted by more than 10 %, as an audit would ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picojoule.ask import Progress, silent
from picojoule.errors import SpecError
from picojoule.files import read_json
from picojoule.measuring.measure import SCHEMA, Measurement, Settings, measure

DRIFT_PERCENT = 10.0  # as in MLPerf's audits


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One time, then and now, in seconds."""

    what: str
    before_s: float
    now_s: float | None

    @property
    def percent(self) -> float | None:
        """Change of the time in percent of what it was; None where it was not measured again."""
        return None if self.now_s is None else 100.0 * (self.now_s - self.before_s) / self.before_s

    @property
    def flagged(self) -> bool:
        """Is the change, either way, more than a rerun may show?"""
        return self.percent is None or abs(self.percent) > DRIFT_PERCENT


def stored(path: Path) -> dict[str, Any]:
    """A stored measurement; anything else is an error of the input."""
    hint = "give what `pj measure --out FILE` wrote"
    data = read_json(path, hint)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or "model" not in data.get("meta", {}):
        raise SpecError("this is no measurement of a model", where=str(path), hint=hint)
    return data


def remeasure(path: str | Path, progress: Progress = silent) -> tuple[Measurement, tuple[Drift, ...]]:
    """(a stored measurement taken again with the same settings, every median time then and now)."""
    return rerun(stored(Path(path)), progress)


def rerun(data: Mapping[str, Any], progress: Progress = silent) -> tuple[Measurement, tuple[Drift, ...]]:
    """(the measurement taken again with the same settings, every median time then and now)."""
    meta = data["meta"]
    settings = Settings(
        device=meta["device_kind"],
        dtype=meta["dtype"],
        batch=meta["batch"],
        threads=meta["threads"],
        channels_last=meta["layout"] == "nhwc",
        seed=meta["seed"],
        budget_s=meta["budget_s"],
        runtime=meta["runtime"],
        clock=meta["clock"],
        scenarios=(),
        energy=False,
        layers=bool(data["kernels"]),
    )
    again = measure(meta["model"], settings, progress=progress)
    return again, compare(data, again.to_json())


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Drift, ...]:
    """Median hot times of the network and of each kernel, then and now."""
    out = []
    if before.get("network"):
        again = now["network"]["hot_s"]["median"] if now.get("network") else None
        out.append(Drift(what="network", before_s=before["network"]["hot_s"]["median"], now_s=again))
    times = {k["name"]: k["hot_s"]["median"] for k in now["kernels"]}
    out += [Drift(what=k["name"], before_s=k["hot_s"]["median"], now_s=times.get(k["name"])) for k in before["kernels"]]
    return tuple(out)
