"""Ridge points of a CPU, a GPU and the first TPU, and what a memory's bandwidth leaves of a decoder's tokens."""

from __future__ import annotations

from picojoule.ask import Progress
from picojoule.interop.load import load_model
from picojoule.machines.kernels.device import load_device
from picojoule.machines.kernels.predict import decode_bound_tokens_per_s, predict_network
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row

# Jouppi et al. 2017: peak in operations a second, bandwidth in bytes a second (table 2), ridge in MACs a weight byte (section 4)
RIDGES = {"TPU v1": (92e12, 34e9, 1350.0), "Haswell E5-2699 v3": (1.3e12, 51e9, 13.0), "K80, one die": (2.8e12, 160e9, 9.0)}


def _run(progress: Progress) -> Outcome:
    rows = [
        Row(what=name, group="ridge point", unit="MAC/B", reported=ridge, predicted=peak / 2 / rate, composed=True)
        for name, (peak, rate, ridge) in RIDGES.items()
    ]
    bound = decode_bound_tokens_per_s(14e9, 3.35e12)
    rows.append(Row(what="7 G weights in fp16 at 3.35 TB/s", group="decode", unit="tokens/s", reported=240.0, predicted=bound))
    h100 = load_device("h100")
    decode = predict_network(load_model("llama3-8b", phase="decode"), h100)
    ceiling = decode_bound_tokens_per_s(decode.weight_bytes, h100.dram_peak_bytes_per_s)
    checks = [
        Check(what=f"{r.what}: ridge as printed, within its rounding", holds=abs(r.error_percent or 0.0) <= 4.0)
        for r in rows
        if r.composed
    ]
    checks += [
        Check(what="the bound on decoding as quoted, within its rounding", holds=abs(rows[-1].error_percent or 0.0) <= 1.0),
        Check(
            what="a whole decoder on the calibrated H100 stays below its bound",
            holds=1 / decode.latency_s < ceiling,
            detail=f"{1 / decode.latency_s:.0f} of {ceiling:.0f} tokens/s (llama3-8b, bf16, batch 1)",
        ),
    ]
    return Outcome(rows=tuple(rows), checks=tuple(checks))


EXPERIMENT = Experiment(
    name="rooflines",
    claim="Ridge points of 1350, 13 and 9 MACs a byte (TPU v1, Haswell, K80); 240 tokens/s for 7 G fp16 weights at 3.35 TB/s",
    source="Jouppi et al., ISCA 2017, table 2 and section 4; arithmetic for the decoder",
    run=_run,
)
