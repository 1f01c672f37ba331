"""The HTML page: complete, self-contained, escaped, and without overlaps or overflow in a browser."""

from __future__ import annotations

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from picojoule.report import units
from picojoule.report.charts import plots, rooflines
from picojoule.report.pages.page import chip_fragment, layer_fragment, network_page
from tests.conftest import chromium
from tests.report import made

PAGE = network_page(made.result())
VOID = {"meta", "br", "line", "rect", "circle", "path", "img", "input", "hr", "link"}


class Balance(HTMLParser):
    """Counts open tags; fails on one that closes what was not opened last."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> str:
    """The text of a page whose tags are balanced."""
    parser = Balance()
    parser.feed(html)
    parser.close()
    assert not parser.open
    return " ".join(parser.text)


def test_the_page_shows_every_part() -> None:
    text = read(PAGE)
    parts = [
        "Layers",
        "Energy by level",
        "Energy by tensor",
        "Latency by cause",
        "Roofline",
        "Mapping and certificate of each layer",
    ]
    for heading in [*parts, "Operators without MACs", "The chip", "Provenance", "How to read this"]:
        assert heading in text
    assert "conv<1>/3x3" in text and "MaxPool" in text and "Frobnicate" in text and "unknown" in text
    assert "for q in 0..1" in text and "RF holds I" in text, "the loop nest is missing"
    assert "JEDEC, roughly" in text and "<CACTI> & co" in text, "a source is missing"
    assert "one operator is not understood" in text
    assert units.energy(made.result().energy_pj) in text and units.seconds(made.result().latency_s) in text


def test_the_page_needs_no_network_and_runs_no_script() -> None:
    assert "<script" not in PAGE and "@import" not in PAGE and "<link" not in PAGE
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", PAGE))
    assert addresses <= {"http://www.w3.org/2000/svg"}, addresses
    assert not re.search(r"url\(", PAGE)
    assert len(PAGE) < 200_000


def test_what_a_user_names_cannot_break_the_page() -> None:
    assert "conv<1>" not in PAGE and "conv&lt;1&gt;" in PAGE
    assert "<CACTI>" not in PAGE


def test_the_page_gives_the_same_bytes_for_the_same_result() -> None:
    assert network_page(made.result()) == PAGE


def test_a_notebook_shows_networks_layers_and_chips() -> None:
    for html in (
        made.result()._repr_html_(),
        made.layer_result(made.FC)._repr_html_(),
        layer_fragment(made.layer_result(made.FC)),
    ):
        assert "handmade" in read(html)
    assert "Buffer" in read(chip_fragment(made.CHIP))


def test_stacked_bars_are_as_long_as_their_values() -> None:
    bars = [plots.Bar("a", "a", (("x", 1e6), ("y", 3e6))), plots.Bar("b", "b", (("x", 2e6), ("y", 0.0)))]
    svg = plots.stacked_bars(bars, ["x", "y"], "energy", "test")
    widths = [float(w) for w in re.findall(r'width="([\d.]+)" height="16"', svg)]
    assert widths[1] == pytest.approx(3 * widths[0], rel=1e-3)
    assert widths[2] == pytest.approx(2 * widths[0], rel=1e-3)
    assert len(widths) == 3, "an empty part is drawn"
    assert "[µJ]" in svg


def test_a_roofline_without_bandwidth_has_no_slope() -> None:
    points = [rooflines.Point(1, "a", 3.0, 1e9), rooflines.Point(2, "b", 300.0, 3e10)]
    assert rooflines.roofline(points, 3.36e10, None, "t").count('class="roof"') == 1
    assert rooflines.roofline(points, 3.36e10, 1.6e9, "t").count('class="roof"') == 2
    assert rooflines.roofline([], 3.36e10, None, "t") == ""


LAYOUT = """
<script>
addEventListener('load', () => {
  document.querySelectorAll('details').forEach(d => d.open = true);
  const wide = [], clash = [];
  for (const e of document.querySelectorAll('.page *')) {
    const r = e.getBoundingClientRect();
    const may = e.closest('.scroll') || e.closest('pre');
    if (r.width && r.right > innerWidth + 1 && !may) wide.push(e.tagName + ' ' + e.className);
  }
  for (const svg of document.querySelectorAll('svg')) {
    const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
    texts.forEach(([a, p], i) => texts.slice(i + 1).forEach(([b, q]) => {
      const w = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const h = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (w > 2 && h > 5) clash.push(a + ' | ' + b);
    }));
  }
  const out = document.createElement('pre');
  out.id = 'layout';
  out.textContent = JSON.stringify({wide, clash, scroll: document.documentElement.scrollWidth});
  document.body.append(out);
});
</script>
"""


@pytest.mark.browser
def test_nothing_overlaps_or_overflows_at_1280_pixels(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGE.replace("</body>", LAYOUT + "</body>"), encoding="utf-8")
    browser = chromium()
    assert browser is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    flags += [
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1280,2000",
    ]
    run = subprocess.run(
        [browser, *flags, "--dump-dom", f"file://{page}"], capture_output=True, text=True, timeout=120, check=True
    )
    found = re.search(r'<pre id="layout">(.*?)</pre>', run.stdout, re.DOTALL)
    assert found, run.stdout[-2000:]
    layout = json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert layout["wide"] == []
    assert layout["clash"] == []
    assert layout["scroll"] <= 1280


def test_a_front_is_drawn_as_a_staircase_of_its_mappings() -> None:
    svg = plots.front([(3e6, 1e-3), (2e6, 2e-3), (1e6, 5e-3)], "front")
    assert svg.count("<circle") == 3 and svg.count('class="roof"') == 4
    assert "energy [µJ]" in svg and "latency [ms]" in svg
    assert plots.front([(1.0, 1.0)], "one point").count("<circle") == 1
