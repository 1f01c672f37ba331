"""From what a user types to a network: zoo name, ONNX file, torch callable, Hugging Face config, or one layer inline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from picojoule.ask import ROLES
from picojoule.errors import SpecError, unknown_name
from picojoule.formats.names import number_format
from picojoule.workload.bits import Widths, WithBits, states_widths
from picojoule.workload.densities import WithDensities
from picojoule.workload.inline import is_inline, read_inline
from picojoule.workload.network import Network
from picojoule.workload.zoo import zoo

FORMS = "a zoo name, an .onnx file, a Hugging Face config.json, module:callable for torch, or gemm:... and conv:..."
SEQUENCE = ("phase", "seq", "context", "image")  # options of transformers


def load_model(
    text: str | Path,
    *,
    batch: int | None = None,
    dims: Mapping[str, int] | None = None,
    bits: Widths | None = None,
    strict: bool = False,
    densities: Any = None,
    **options: Any,
) -> Network:
    """The network that `text` names.

    `batch` sets the batch size, `dims` symbolic sizes by name. A quantised file or a layer's text states widths; a model that
    does not has 16 b elements until a machine runs it at its own width. `bits` overrides both, with one number or by role:
    {"weight": 4, "input": 8}. A number is a width alone; the name of a number format ("mxfp4") also says how the elements are
    stored and what a MAC of them takes.
    `densities` says where zeros are, by layer (see `densities.py`).
    `strict` refuses a network with operators that are not understood, which otherwise are reported with their bytes.
    Options of transformers, which `dims` may also hold: `seq` new tokens, `context` tokens already in the cache, and
    `phase` "prefill" (the default) or "decode".

    >>> load_model("gemm:M=64,N=64,K=64").macs
    262144
    """
    text = str(text)
    _check(batch, dims, bits, options, text)
    network = _read(text, batch, dict(dims or {}), options)
    if strict:
        _refuse_unknown(network)
    said = states_widths(network) or (is_inline(text) and "bits=" in text)
    network = replace(network, batch=batch or 1)
    network = replace(network, stated=said) if bits is None else WithBits(bits)(network)
    return network if densities is None else WithDensities(densities, "densities")(network)


def _read(text: str, batch: int | None, dims: dict[str, int], options: dict[str, Any]) -> Network:
    path, suffix = Path(text), Path(text).suffix.lower()
    kind = text.partition(":")[0]
    if is_inline(text) or ("=" in text and kind.isalpha()):
        _nothing_else("an inline layer", {"batch": batch} if batch else {}, dims, options, text)
        return read_inline(text)
    if text in zoo.MODELS:
        return zoo.model(text, **_settings(text, {"batch": batch} if batch else {}, dims, options, zoo.options(text)))
    if suffix == ".onnx":
        from picojoule.workload.onnx.read import read_onnx

        _nothing_else("an ONNX file", {}, {}, options, text)
        return read_onnx(path, batch=batch, dims=dims)
    if suffix == ".json" or (path.is_dir() and (path / "config.json").is_file()):
        from picojoule.workload.huggingface.read import read_hf

        config = path / "config.json" if path.is_dir() else path
        return read_hf(config, **_settings(text, {"batch": batch} if batch else {}, dims, options, ("batch", *SEQUENCE)))
    if ":" in text and not path.exists():
        from picojoule.workload.torch.read import read_torch

        _nothing_else("a torch module", {}, {}, options, text)
        return read_torch(text, batch=batch, dims=dims)
    if path.exists() or "/" in text or suffix in (".pt", ".pth", ".tflite", ".h5", ".safetensors", ".pb", ".yaml"):
        raise SpecError("this is no kind of model that can be read", where=text, hint=f"MODEL is {FORMS}")
    error = unknown_name("model", text, zoo.MODELS)
    raise SpecError(error.problem, hint=f"{error.hint}; MODEL is {FORMS}")


def _check(batch: int | None, dims: Mapping[str, int] | None, bits: Widths | None, options: Mapping[str, Any], text: str) -> None:
    for name, n in {"batch": batch, **(dims or {})}.items():
        least = 0 if name in (dims or {}) and text.endswith(".onnx") else 1  # a cache may be empty
        if n is not None and (not isinstance(n, int) or isinstance(n, bool) or n < least):
            raise SpecError(f"{name}={n!r} is no size", where=text, hint=f"give a whole number, {least} or more")
    widths = bits if isinstance(bits, Mapping) else {} if bits is None else {"weight": bits}
    for role, width in widths.items():
        if role not in ROLES:
            raise unknown_name("tensor role", role, ROLES, where=text)
        if isinstance(width, str):
            number_format(width)
        elif not isinstance(width, int) or isinstance(width, bool) or width < 1:
            raise SpecError(f"{width!r} is no number of bits", where=text, hint="give a whole number, 1 or more, or a format")
    for name in options:
        if name not in SEQUENCE:
            raise unknown_name("option", name, ("batch", "dims", "bits", "strict", *SEQUENCE), where=text)


def _settings(
    text: str, batch: Mapping[str, int], dims: Mapping[str, int], options: Mapping[str, Any], known: tuple[str, ...]
) -> dict[str, Any]:
    """Options and dims together, where both name the same things; None means not given."""
    merged = {k: v for k, v in (*batch.items(), *dims.items(), *options.items()) if v is not None}
    for name in merged:
        if name not in known:
            raise unknown_name("dimension", name, known, where=text)
    return merged


def _nothing_else(what: str, *given: Any) -> None:
    *groups, text = given
    extra = [k for g in groups for k, v in g.items() if v is not None]
    if extra:
        hint = "write every size inside it, such as conv:...,batch=8" if "inline" in what else "leave it out"
        raise SpecError(f"{what} takes no {', '.join(extra)}", where=text, hint=hint)


def _refuse_unknown(network: Network) -> None:
    strange = [s.layer for s in network.vector_ops if not s.layer.known]
    if strange:
        named = ", ".join(f"{v.name} ({v.op})" for v in strange[:8])
        named += f" and {len(strange) - 8} more" if len(strange) > 8 else ""
        hint = "without --strict they are reported with the bytes they move"
        raise SpecError(f"{len(strange)} operators are not understood: {named}", where=network.name, hint=hint)
