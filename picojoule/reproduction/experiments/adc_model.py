"""The ADC regression behind every analog array: our implementation against its authors' own package."""

from __future__ import annotations

from picojoule.ask import Progress
from picojoule.hardware.array.converters import survey_adc_pj, survey_adc_um2
from picojoule.reproduction.experiment import Check, Experiment, Outcome, Row

PRINTED = {  # node in nm, conversions per second -> pJ/um2 for 4 to 10 bits
    (32, 1e8): ".924/3274 .936/3287 1.065/3417 1.312/3637 1.714/3939 2.340/4324 3.310/4796",
    (32, 1e9): ".924/4964 .936/4984 1.065/5180 1.312/5513 1.714/5972 4.697/8074 13.945/11180",
    (65, 1e8): "3.501/9860 3.548/9900 4.036/10289 4.973/10951 6.494/11862 8.868/13020 12.543/14443",
}


def _run(progress: Progress) -> Outcome:
    rows, same = [], 0
    for (nm, rate), line in PRINTED.items():
        for bits, cell in enumerate(line.split(), 4):
            pj, um2 = cell.split("/")
            ours = survey_adc_pj(bits, rate, nm), survey_adc_um2(bits, rate, nm)
            what = f"{bits} b, {rate / 1e6:g} MS/s, {nm} nm"
            rows.append(Row(what=what, group="energy", unit="pJ", reported=float(pj), predicted=ours[0], composed=True))
            rows.append(Row(what=what, group="area", unit="um2", reported=float(um2), predicted=ours[1], composed=True))
            same += abs(ours[0] - float(pj)) <= 0.0005 + 1e-9 and abs(ours[1] - float(um2)) <= 0.5 + 1e-9
    kull = survey_adc_pj(8, 1.2e9, 32)
    rows.append(Row(what="Kull ISSCC 2013, 8 b, 1.2 GS/s, 3.1 mW", group="silicon", unit="pJ", reported=2.6, predicted=kull))
    check = Check(what="21 values to the printed digits, energy and area", holds=same == 21, detail=f"{same} of 21")
    return Outcome(rows=tuple(rows), checks=(check,), notes=("the regression states the best that a survey of ADCs reaches",))


EXPERIMENT = Experiment(
    name="adc-model",
    claim="energy and area of ADCs from resolution, rate and node, by regression over the Murmann survey",
    source="Andrulis et al., arXiv 2404.06553; values computed with hwcomponents-adc; Kull et al., ISSCC 2013",
    run=_run,
)
