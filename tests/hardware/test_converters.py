"""The ADC regression against values computed with its authors' own package, and ISAAC's table."""

import pytest

from picojoule.errors import SpecError
from picojoule.hardware.array.converters import isaac_adc, survey_adc_pj, survey_adc_um2
from picojoule.hardware.components.components import evaluate

GOLDEN = {  # (nm, conversions per second): pJ and um2 for 4 to 10 bits, to the printed digits
    (32, 1e8): ".924/3274 .936/3287 1.065/3417 1.312/3637 1.714/3939 2.340/4324 3.310/4796",
    (32, 1e9): ".924/4964 .936/4984 1.065/5180 1.312/5513 1.714/5972 4.697/8074 13.945/11180",
    (65, 1e8): "3.501/9860 3.548/9900 4.036/10289 4.973/10951 6.494/11862 8.868/13020 12.543/14443",
}
POINTS = [(nm, f, 4 + i, *cell.split("/")) for (nm, f), line in GOLDEN.items() for i, cell in enumerate(line.split())]


@pytest.mark.parametrize(("nm", "rate", "bits", "pj", "um2"), POINTS)
def test_the_survey_adc_meets_the_reference_to_the_printed_digits(nm: float, rate: float, bits: int, pj: str, um2: str) -> None:
    assert f"{survey_adc_pj(bits, rate, nm):.3f}".lstrip("0") == pj.lstrip("0")
    assert f"{survey_adc_um2(bits, rate, nm):.0f}" == um2


def test_the_corner_of_8_bits_lies_at_1_07_gigasamples() -> None:
    assert survey_adc_pj(8, 1.06e9, 32) == survey_adc_pj(8, 1e6, 32)
    assert survey_adc_pj(8, 1.08e9, 32) > survey_adc_pj(8, 1e6, 32)


def test_below_4_bits_the_energy_is_that_of_4() -> None:
    assert survey_adc_pj(1, 1e8, 32) == survey_adc_pj(4, 1e8, 32)


def test_isaacs_table_comes_out_as_printed_and_widens_the_survey() -> None:
    assert isaac_adc(8, 32)["convert"].value == 1.667
    assert isaac_adc(8, 32)["area"].value == 1200
    both = evaluate("adc", {"technology_nm": 32.0}, {"bits": 8, "rate": "1 GHz"})
    assert both["convert"].low == 1.667 < both["convert"].value
    assert both["area"].low == 1200


@pytest.mark.parametrize(("written", "problem"), [
    ({"bits": 12, "rate": "1 GHz", "model": "isaac"}, "ISAAC's table has no ADC of 12 b"),
    ({"bits": 8, "rate": "100 GHz"}, "an ADC of 1e+11 conversions per second"),
    ({"bits": 8, "rate": "1 GHz", "model": "murmann"}, "unknown ADC model 'murmann'"),
    ({"bits": 20, "rate": "1 GHz"}, "an ADC of 20 b"),
])  # fmt: skip
def test_what_the_models_do_not_cover_is_refused(written: dict[str, object], problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        evaluate("adc", {"technology_nm": 32.0}, written)
    assert caught.value.problem == problem
