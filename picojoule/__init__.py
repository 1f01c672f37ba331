"""picojoule: what an inference costs in joules and seconds, what the best mapping is, with a proof.

    >>> import picojoule as pj
    >>> pj.load_model("gemm:M=64,N=64,K=64").macs
    262144

Names are imported where they are first used, so that `import picojoule` takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_HOME = {
    "load_model": "picojoule.interop.load",
    "WithBits": "picojoule.workload.bits",
    "WithDensities": "picojoule.workload.densities",
    "profile": "picojoule.workload.profile",
    "models": "picojoule.workload.zoo.zoo",
    "statistics": "picojoule.observed.statistics",
    "number_format": "picojoule.formats.names",
    "load_chip": "picojoule.interop.load",
    "chips": "picojoule.hardware.chipfile.read",
    "chip_schema": "picojoule.hardware.chipfile.schema",
    "memories": "picojoule.hardware.components.dram:technologies",
    "constrained": "picojoule.hardware.dataflow",
    "WithStatistics": "picojoule.hardware.array.operand_means",
    "parse_mapping": "picojoule.interop.load",
    "import_files": "picojoule.interop.load",
    "check_files": "picojoule.interop.check",
    "export_timeloop": "picojoule.interop.timeloop.export",
    "judge": "picojoule.interop.judge",
    "differences": "picojoule.interop.judge",
    "evaluate": "picojoule.cost.model",
    "explain": "picojoule.cost.explain",
    "best_mapping": "picojoule.search.optimal",
    "map_network": "picojoule.search.network",
    "row_stationary": "picojoule.machines.row_stationary.best",
    "dataflows": "picojoule.explore.dataflows",
    "verify": "picojoule.verification.verify",
    "systolic": "picojoule.machines.systolic.systolic",
    "measure": "picojoule.measuring.measure",
    "MeasureSettings": "picojoule.measuring.measure:Settings",
    "remeasure": "picojoule.measuring.rerun",
    "transforms": "picojoule.algorithms.compare",
    "quantise": "picojoule.compress.quantise.study",
    "minilm_bits": "picojoule.compress.quantise.encoder_bits",
    "train": "picojoule.learning.baseline",
    "sweep": "picojoule.measuring.sweep",
    "ceilings": "picojoule.measuring.ceilings",
    "compare_network": "picojoule.compare.compare:compare",
    "advise": "picojoule.compare.advice",
    "gemmini": "picojoule.machines.gemmini.fit",
    "which": "picojoule.compare.which",
    "Limits": "picojoule.compare.limits",
    "near_data": "picojoule.neardata.answer",
    "array_accuracy": "picojoule.neardata.study",
    "sensor_modes": "picojoule.neardata.study",
    "shrink": "picojoule.compress.shrink.shrink",
    "reproduce": "picojoule.reproduction.registry",
    "experiments": "picojoule.reproduction.registry",
    "cards": "picojoule.published.card_files",
    "published_platforms": "picojoule.published.trends:query",
    "calibrate": "picojoule.machines.kernels.calibrate:calibrate_file",
    "predict_fpga": "picojoule.machines.fpga",
    "predict_network": "picojoule.machines.kernels.predict",
    "load_device": "picojoule.machines.kernels.device",
    "devices": "picojoule.machines.kernels.device",
    "to_json": "picojoule.report.to_json:network_json",
    "to_html": "picojoule.report.pages.page:network_page",
    "PicojouleError": "picojoule.errors",
}

__all__ = [
    "Limits",
    "MeasureSettings",
    "PicojouleError",
    "WithBits",
    "WithDensities",
    "WithStatistics",
    "__version__",
    "advise",
    "array_accuracy",
    "best_mapping",
    "calibrate",
    "cards",
    "ceilings",
    "check_files",
    "chip_schema",
    "chips",
    "compare_network",
    "constrained",
    "dataflows",
    "devices",
    "differences",
    "evaluate",
    "experiments",
    "explain",
    "export_timeloop",
    "gemmini",
    "import_files",
    "judge",
    "load_chip",
    "load_device",
    "load_model",
    "map_network",
    "measure",
    "memories",
    "minilm_bits",
    "models",
    "near_data",
    "number_format",
    "parse_mapping",
    "predict_fpga",
    "predict_network",
    "profile",
    "published_platforms",
    "quantise",
    "remeasure",
    "reproduce",
    "row_stationary",
    "sensor_modes",
    "shrink",
    "statistics",
    "sweep",
    "systolic",
    "to_html",
    "to_json",
    "train",
    "transforms",
    "verify",
    "which",
]

if TYPE_CHECKING:
    from picojoule.algorithms.compare import transforms
    from picojoule.compare.advice import advise
    from picojoule.compare.compare import compare as compare_network
    from picojoule.compare.limits import Limits
    from picojoule.compare.which import which
    from picojoule.compress.quantise.encoder_bits import minilm_bits
    from picojoule.compress.quantise.study import quantise
    from picojoule.compress.shrink.shrink import shrink
    from picojoule.cost.explain import explain
    from picojoule.cost.model import evaluate
    from picojoule.errors import PicojouleError
    from picojoule.explore.dataflows import dataflows
    from picojoule.formats.names import number_format
    from picojoule.hardware.array.operand_means import WithStatistics
    from picojoule.hardware.chipfile.read import chips
    from picojoule.hardware.chipfile.schema import chip_schema
    from picojoule.hardware.components.dram import technologies as memories
    from picojoule.hardware.dataflow import constrained
    from picojoule.interop.check import check_files
    from picojoule.interop.judge import differences, judge
    from picojoule.interop.load import import_files, load_chip, load_model, parse_mapping
    from picojoule.interop.timeloop.export import export_timeloop
    from picojoule.learning.baseline import train
    from picojoule.machines.fpga import predict_fpga
    from picojoule.machines.gemmini.fit import gemmini
    from picojoule.machines.kernels.calibrate import calibrate_file as calibrate
    from picojoule.machines.kernels.device import devices, load_device
    from picojoule.machines.kernels.predict import predict_network
    from picojoule.machines.row_stationary.best import row_stationary
    from picojoule.machines.systolic.systolic import systolic
    from picojoule.measuring.ceilings import ceilings
    from picojoule.measuring.measure import Settings as MeasureSettings
    from picojoule.measuring.measure import measure
    from picojoule.measuring.rerun import remeasure
    from picojoule.measuring.sweep import sweep
    from picojoule.neardata.answer import near_data
    from picojoule.neardata.study import array_accuracy, sensor_modes
    from picojoule.observed.statistics import statistics
    from picojoule.published.card_files import cards
    from picojoule.published.trends import query as published_platforms
    from picojoule.report.pages.page import network_page as to_html
    from picojoule.report.to_json import network_json as to_json
    from picojoule.reproduction.registry import experiments, reproduce
    from picojoule.search.network import map_network
    from picojoule.search.optimal import best_mapping
    from picojoule.verification.verify import verify
    from picojoule.workload.bits import WithBits
    from picojoule.workload.densities import WithDensities
    from picojoule.workload.profile import profile
    from picojoule.workload.zoo.zoo import models


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'picojoule' has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
