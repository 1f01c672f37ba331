"""`train`: nets trained from scratch with several seeds, the baselines that everything else is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from picojoule.ask import Progress, silent
from picojoule.errors import SpecError
from picojoule.learning.labelled import labelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One net on one data set, a record for each seed."""

    net: str
    data: str
    records: tuple[Any, ...]  # trained.Record

    @property
    def mean_percent(self) -> float:
        return fmean(r.accuracy.percent for r in self.records)

    @property
    def interval_percent(self) -> float | None:
        """Half of Student's 95 % interval over the seeds; None for one seed."""
        from picojoule.learning.accuracy import interval

        return interval([r.accuracy.percent for r in self.records])


def train(
    net: str,
    data: str = "digits",
    *,
    seeds: Sequence[int] = (0,),
    epochs: int | None = None,
    data_dir: str | Path | None = None,
    progress: Progress = silent,
) -> Baseline:
    """Train a net from scratch with each seed, or take it from the cache; a stopped run goes on where it was. Needs torch."""
    if len(set(seeds)) != len(seeds) or not seeds:
        raise SpecError(f"seeds {list(seeds)}", where="--seeds", hint="name each seed once, such as 0,1,2")
    try:
        from picojoule.learning.trained import trained
    except ImportError:
        raise SpecError("torch is not installed", where="train", hint="pip install 'picojoule[accuracy]'") from None
    known = labelled(data, data_dir)
    records = tuple(trained(net, known, seed, epochs=epochs, progress=progress)[1] for seed in seeds)
    return Baseline(net=net, data=known.name, records=records)
