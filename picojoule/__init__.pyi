"""The public names and their homes, written here alone: type checkers read this file, and so does `__init__.py`.

A name that its home knows by another word comes in under an underscore and is named below.
"""

from picojoule.algorithms.compare import transforms as transforms
from picojoule.compare.advice import advise as advise
from picojoule.compare.compare import compare as _compare
from picojoule.compare.limits import Limits as Limits
from picojoule.compare.which import which as which
from picojoule.compress.quantise.encoder_bits import minilm_bits as minilm_bits
from picojoule.compress.quantise.study import quantise as quantise
from picojoule.compress.shrink.shrink import shrink as shrink
from picojoule.cost.explain import explain as explain
from picojoule.cost.model import evaluate as evaluate
from picojoule.errors import PicojouleError as PicojouleError
from picojoule.explore.dataflows import dataflows as dataflows
from picojoule.formats.names import number_format as number_format
from picojoule.hardware.array.operand_means import WithStatistics as WithStatistics
from picojoule.hardware.chipfile.read import chips as chips
from picojoule.hardware.chipfile.schema import chip_schema as chip_schema
from picojoule.hardware.components.dram import technologies as _technologies
from picojoule.hardware.dataflow import constrained as constrained
from picojoule.interop.check import check_files as check_files
from picojoule.interop.judge import differences as differences
from picojoule.interop.judge import judge as judge
from picojoule.interop.load import import_files as import_files
from picojoule.interop.load import load_chip as load_chip
from picojoule.interop.load import load_model as load_model
from picojoule.interop.load import parse_mapping as parse_mapping
from picojoule.interop.timeloop.export import export_timeloop as export_timeloop
from picojoule.learning.baseline import train as train
from picojoule.machines.fpga import predict_fpga as predict_fpga
from picojoule.machines.gemmini.fit import gemmini as gemmini
from picojoule.machines.kernels.calibrate import calibrate_file as _calibrate_file
from picojoule.machines.kernels.device import devices as devices
from picojoule.machines.kernels.device import load_device as load_device
from picojoule.machines.kernels.predict import predict_network as predict_network
from picojoule.machines.row_stationary.best import row_stationary as row_stationary
from picojoule.machines.systolic.systolic import systolic as systolic
from picojoule.measuring.ceilings import ceilings as ceilings
from picojoule.measuring.measure import Settings as _Settings
from picojoule.measuring.measure import measure as measure
from picojoule.measuring.rerun import remeasure as remeasure
from picojoule.measuring.sweep import sweep as sweep
from picojoule.neardata.answer import near_data as near_data
from picojoule.neardata.study import array_accuracy as array_accuracy
from picojoule.neardata.study import sensor_modes as sensor_modes
from picojoule.observed.statistics import statistics as statistics
from picojoule.published.card_files import cards as cards
from picojoule.published.trends import query as _query
from picojoule.report.pages.page import network_page as _network_page
from picojoule.report.to_json import network_json as _network_json
from picojoule.reproduction.registry import experiments as experiments
from picojoule.reproduction.registry import reproduce as reproduce
from picojoule.schedule.program import parse as _parse_schedule
from picojoule.search.network import map_network as map_network
from picojoule.search.optimal import best_mapping as best_mapping
from picojoule.search.schedules.schedule_network import evaluate_schedule as evaluate_schedule
from picojoule.search.schedules.schedule_network import schedule_network as schedule_network
from picojoule.verification.verify import verify as verify
from picojoule.version import VERSION as _VERSION
from picojoule.workload.bits import WithBits as WithBits
from picojoule.workload.densities import WithDensities as WithDensities
from picojoule.workload.profile import profile as profile
from picojoule.workload.zoo.zoo import models as models

MeasureSettings = _Settings
__version__ = _VERSION
calibrate = _calibrate_file
compare_network = _compare
memories = _technologies
parse_schedule = _parse_schedule
published_platforms = _query
to_html = _network_page
to_json = _network_json
