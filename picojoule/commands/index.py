"""Every command in one line, by group, and the module that holds it: known without importing any of them.

`pj --help` and completion read this table alone; a command's module is imported when the command is called.
"""

from __future__ import annotations

from dataclasses import dataclass

GROUPS: dict[str, dict[str, tuple[str, str]]] = {  # group -> command -> (module of this folder, what it tells)
    "Networks": {
        "profile": ("core", "MACs, weights, activations and operators of a model"),
        "map": ("core", "the best mapping of a model on a chip, with its proof"),
        "evaluate": ("core", "what a mapping written by hand costs"),
        "explain": ("core", "where each number is from; --advice: what to change"),
        "check": ("judge", "a peer's mapping by its rules, by ours, and the best"),
        "diff": ("judge", "two mappings of a layer, node by node"),
        "verify": ("core", "a stored result, checked by an independent program"),
        "models": ("core", "the models that come along"),
    },
    "Chips": {
        "chips": ("core", "the chips that come along, or one drawn as a tree"),
        "schema": ("core", "the JSON schema of a chip's YAML file, for editors"),
        "import": ("interop", "other tools' files as chips, layers and mappings"),
        "export": ("export", "a chip, a layer and a mapping as Timeloop 0.4 files"),
        "memories": ("memories", "memory technologies: energy, bandwidth, endurance"),
        "formats": ("formats", "number formats: code points, storage, MAC energy"),
        "dataflows": ("dataflows", "ws, is, os, rs, nlr and free, at equal area"),
        "row-stationary": ("row_stationary", "how rows lie on an array of PEs"),
        "neardata": ("neardata", "where computing near or in the memory pays"),
        "sensor": ("accuracy", "energy of a camera frame, with and without a sensor's"),
    },
    "Machines": {
        "compare": ("compare", "chips, GPUs and platforms side by side"),
        "which": ("compare", "the machines that meet limits of power and latency"),
        "predict": ("platforms", "a model on a CPU or GPU, kernel by kernel"),
        "devices": ("platforms", "the CPUs and GPUs that come along"),
        "fpga": ("platforms", "a model on an FPGA: the engine that fits best"),
        "systolic": ("systolic", "cycles of a layer on a systolic array"),
        "gemmini": ("gemmini", "RTL cycles of mapped layers on Gemmini, predicted"),
        "transforms": ("transforms", "im2col, Winograd or FFT for each convolution"),
        "measure": ("measure", "time and energy of a model on this machine"),
        "ceilings": ("measure", "this machine's peak operations and bandwidths"),
        "calibrate": ("platforms", "a CPU or GPU model fitted to measured kernels"),
    },
    "Data and evidence": {
        "statistics": ("statistics", "zeros and entropy of a model's tensors in a real run"),
        "reproduce": ("reproduce", "published results, ours beside theirs"),
        "platforms": ("published", "published chips and platforms as data"),
        "cards": ("cards", "metric cards: what a fair comparison needs"),
    },
    "Train and shrink": {
        "train": ("train", "small networks, trained from scratch and kept"),
        "quantise": ("train", "accuracy at few bits, three ways"),
        "minilm": ("train", "weight bits that a real transformer needs"),
        "shrink": ("shrink", "bits, channels, zeros and rank within a loss"),
        "accuracy": ("accuracy", "accuracy on a compute-in-memory array"),
    },
}


@dataclass(frozen=True)
class Entry:
    """A command before it is imported."""

    group: str
    module: str
    tells: str


ENTRIES: dict[str, Entry] = {
    name: Entry(group, module, tells) for group, commands in GROUPS.items() for name, (module, tells) in commands.items()
}
