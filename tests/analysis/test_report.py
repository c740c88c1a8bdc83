"""The report shows what the run directories hold, failures included, and nothing unescaped."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.markers import MarkerStyle

from hopkin.analysis.comparison.comparison import BARRIER_FIELDS, IMAGES_FIELDS
from hopkin.analysis.comparison.results import find_runs
from hopkin.analysis.errors import ResultsError
from hopkin.analysis.report.columns import CASE_COLUMNS, IMAGES_COLUMNS, MISSING
from hopkin.analysis.report.plots import (
    EnergyProfile,
    MsdCurve,
    ParityPoints,
    plot_energy_profiles,
    plot_msd,
    plot_parity,
    plot_rdf,
)
from hopkin.analysis.report.report import write_report
from hopkin.analysis.transport.tables import read_table

TRIANGLE = len(MarkerStyle("^").get_path().vertices)
BARRIER: dict[str, Any] = {
    "material": "LiFePO4-olivine", "ion": "Li", "hop": 1, "path_length_A": 3.0049, "images": 5,
    "model": "sevennet-0", "model_sha256": "ab" * 32, "barrier_eV": 0.26149,
    "forward_barrier_eV": 0.2663, "reverse_barrier_eV": 0.2567, "converged": True,
    "energies_eV": [-7.0, -6.8, -6.73, -6.81, -6.99], "max_atom_force_eV_per_A": 0.0431,
    "reaction_coordinate": [0.0, 0.2, 0.5, 0.8, 1.0], "failure": None, "wall_s": 311.7,
    "lammps_version": "22 Jul 2025", "parity": {"force_difference_eV_per_A": 8.6e-7},
}  # fmt: skip
MD: dict[str, Any] = {
    "material": "Li6PS5Cl", "ion": "Li", "model": "chgnet-0.3.0", "temperature_K": 800.0, "seed": 1,
    "timestep_fs": 2.0, "time_ps": 50.0, "n_ions": 24, "msd_A2_final": 41.268,
    "diffusivity_cm2_per_s": -1.234e-6, "diffusivity_windowed_cm2_per_s": None,
    "diffusivity_windowed_reason": "the MSD reaches 2.50 A^2", "n_hops": 110.0,
    "log_log_slope": 0.93, "framework_msd_A2": 0.41, "failure": None,
}  # fmt: skip


def put(root: Path, name: str, kind: str, result: dict[str, Any] | None, **asked: Any) -> Path:
    directory = root / name
    directory.mkdir(parents=True)
    run = {"kind": kind, "hopkin_version": "0.1.0", **asked}
    (directory / "run.json").write_text(json.dumps(run))
    if result is not None:
        (directory / "result.json").write_text(json.dumps(result))
    return directory


def put_tables(directory: Path) -> None:
    (directory / "msd.csv").write_text(
        "time_ps,msd_single_origin_A2,msd_windowed_A2,framework_msd_A2\n0,0,0,0\n1,2,1.5,0.1\n"
    )
    (directory / "rdf.csv").write_text("r_A,Li-Li,Li-S\n0.5,0,0\n1.5,1.1,0.9\n")


class Page(HTMLParser):
    """Rows of the tables and all text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[tuple[str, list[str]]] = []
        self.tags: set[str] = set()
        self.text = ""
        self.in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append((dict(attrs).get("class") or "", []))
        elif tag in ("td", "th"):
            self.rows[-1][1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.in_cell = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.in_cell:
            self.rows[-1][1][-1] += data.strip()


def report(root: Path) -> Page:
    write_report(root, root / "report.html")
    return Page((root / "report.html").read_text(encoding="utf-8"))


def test_the_numbers_of_a_barrier_are_shown(tmp_path: Path) -> None:
    put(tmp_path, "a", "barrier", BARRIER)
    page = report(tmp_path)
    row = next(cells for state, cells in page.rows if state == "finished")
    assert row == [
        "LiFePO4-olivine", "Li", "1", "3.00", "sevennet-0", "5", "0.261", "0.266", "0.257", "0.043",
        MISSING, "312", "9e-07",
    ]  # fmt: skip
    for text in ("LiFePO4-olivine · hop 1", "sevennet-0: 0.261 eV", "reaction coordinate"):
        assert text in page.text
    for text in ("ab" * 32, "22 Jul 2025", "0.1.0"):  # provenance
        assert text in page.text


def test_the_numbers_and_figures_of_a_run_of_md_are_shown(tmp_path: Path) -> None:
    put_tables(put(tmp_path, "a", "md", MD))
    page = report(tmp_path)
    row = next(cells for state, cells in page.rows if state == "finished")
    assert "-1.23e-06" in row  # negative, as it came out
    assert "No windowed D for chgnet-0.3.0: the MSD reaches 2.50 A^2." in page.text
    assert "41.27" in row
    for text in ("single origin", "all time origins", "Li-S", "r (Å)", "Li6PS5Cl · 800 K"):
        assert text in page.text


def test_failures_are_shown_with_their_class(tmp_path: Path) -> None:
    put(tmp_path, "good", "barrier", BARRIER)
    diverged = {"failure": "type_I_divergence", "model": "m3gnet", "energies_eV": [0.0, 1e9, None]}
    put(tmp_path, "bad", "barrier", BARRIER | diverged | {"barrier_eV": None})
    put(tmp_path, "worse", "md", {"failure": "diverged"}, material="Na3PS4", model="orb-v2")
    page = report(tmp_path)
    failed = [cells for state, cells in page.rows if state == "failed"]
    assert any("type I divergence" in cells and "m3gnet" in cells for cells in failed)
    assert any("diverged" in cells and "orb-v2" in cells for cells in failed)
    assert "Not drawn: m3gnet (type_I_divergence)" in page.text
    assert "No complete tables: orb-v2 (failed)" in page.text
    assert re.search(r"1\s*finished\s*2\s*failed\s*0\s*unfinished", page.text)


def test_unfinished_and_unreadable_runs_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "deep/er/open", "neb", None, model="mace-mp-0b3")
    (put(tmp_path, "torn", "md", None) / "result.json").write_text('{"material": ')
    (put(tmp_path, "list", "md", None) / "result.json").write_text("[]")
    page = report(tmp_path)
    assert "deep/er/open: unfinished (neb, mace-mp-0b3)" in page.text
    assert "torn: unreadable (md)" in page.text
    assert "list: unreadable (md)" in page.text


def test_runs_of_another_kind_are_not_hidden(tmp_path: Path) -> None:
    put(tmp_path, "e", "evaluate", {"failure": None})
    assert ("finished", ["e", "evaluate", MISSING]) in report(tmp_path).rows


def test_one_figure_per_material_and_hop_with_a_curve_per_model(tmp_path: Path) -> None:
    for hop in (1, 2):
        for model in ("sevennet-0", "chgnet-0.3.0"):
            put(tmp_path, f"{hop}{model}", "barrier", BARRIER | {"hop": hop, "model": model})
    put(tmp_path, "neb", "neb", BARRIER | {"material": None, "hop": None})
    html = (report(tmp_path), (tmp_path / "report.html").read_text())[1]
    assert html.count("<svg") == 3
    assert html.count("chgnet-0.3.0: 0.261 eV") >= 2


def test_what_a_reader_has_to_know_of_a_model_stands_beside_its_name(tmp_path: Path) -> None:
    for name, facts in {"a": {}, "b": {"conservative": False}, "c": {"verified": False}}.items():
        put(tmp_path, name, "barrier", BARRIER | {"model": f"model-{name}", **facts})
    page = report(tmp_path).text
    assert page.count("model-b (direct: forces are no gradient)") >= 2  # table and figure
    assert "model-c (not verified)" in page
    assert "model-a (" not in page


def test_runs_of_one_model_stay_apart(tmp_path: Path) -> None:
    for seed in (1, 2):
        put_tables(put(tmp_path, f"seed{seed}", "md", MD | {"seed": seed}))
    for mechanism in ("vacancy", "divacancy"):
        put(tmp_path, mechanism, "barrier", BARRIER | {"mechanism": mechanism})
    for name in ("first", "again"):
        put(tmp_path, name, "barrier", BARRIER | {"material": "LiCoPO4"})
    text = report(tmp_path).text
    for label in (
        "chgnet-0.3.0, seed 1", "chgnet-0.3.0, seed 2", "sevennet-0, mechanism divacancy: 0.261 eV",
        "sevennet-0, first: 0.261 eV", "sevennet-0, again: 0.261 eV",
    ):  # fmt: skip
        assert label in text


def test_text_is_escaped_and_the_page_needs_no_network(tmp_path: Path) -> None:
    nasty = "<script>alert('x')</script> & $\\frac$"
    put(tmp_path, "a", "barrier", BARRIER | {"material": nasty, "model": nasty})
    put_tables(put(tmp_path, "b", "md", MD | {"material": nasty, "failure": nasty}))
    page = report(tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert not page.tags & {"script", "link", "iframe", "img", "object"}
    assert nasty in page.text
    loads = re.findall(r'(?:src|href)="(?!#)[^"]*"|url\((?!#)[^)]*\)|@import', html)
    assert loads == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "name", ["$x_{1}$", "a$", "$\\frac{", "\x1b[31mred\x07", "\udcff", "\u9502", "a\nb", "\0"]
)
def test_a_material_of_any_name_has_its_page(tmp_path: Path, name: str) -> None:
    put(tmp_path, "a", "barrier", BARRIER | {"material": name, "model": name})
    put_tables(put(tmp_path, "b", "md", MD | {"material": name, "model": name}))
    text = report(tmp_path).text
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", text)
    assert re.sub(r"[\x00-\x08\x0b-\x1f\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", name) in text


def test_the_same_runs_give_the_same_page(tmp_path: Path) -> None:
    put(tmp_path, "a", "barrier", BARRIER)
    put_tables(put(tmp_path, "b", "md", MD))
    pages = []
    for _ in range(2):
        report(tmp_path)
        pages.append((tmp_path / "report.html").read_bytes())
    assert pages[0] == pages[1]


def test_an_empty_or_missing_folder_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"^no run directories \(with a run\.json\) in .* below"):
        write_report(tmp_path, tmp_path / "report.html")
    with pytest.raises(ResultsError, match="nowhere is not a folder"):
        find_runs(tmp_path / "nowhere")


def test_a_broken_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "msd.csv").write_text("a,b\n1,two\n")
    with pytest.raises(ResultsError, match=r"cannot read the table .*msd\.csv"):
        read_table(tmp_path / "msd.csv")


def test_a_profile_starts_at_zero_and_names_its_barrier() -> None:
    profile = EnergyProfile(
        label="m", coordinate=np.arange(3.0), energies=np.array([-5.0, -4.7, -5.0]), barrier=0.3
    )
    axes = plot_energy_profiles([profile], coordinate_label="image").axes[0]
    assert axes.lines[1].get_ydata() == pytest.approx([0.0, 0.3, 0.0])
    assert [text.get_text() for text in axes.texts] == ["0.300 eV"]


def test_a_profile_is_drawn_along_its_spline_with_a_mark_at_each_image() -> None:
    x = np.linspace(0.0, 1.0, 11)
    spline = np.sin(np.pi * x)
    images = EnergyProfile(
        label="m", coordinate=x[::5], energies=spline[::5] - 7.0, barrier=1.0, curve=(x, spline)
    )
    line = plot_energy_profiles([images], coordinate_label="image").axes[0].lines[1]
    assert line.get_ydata() == pytest.approx(spline)
    assert line.get_markevery() == [0, 5, 10]


def test_long_curves_are_thinned_for_drawing_only() -> None:
    times = np.linspace(0.0, 50.0, 25_001)
    curve = MsdCurve(label="m", times=times, single_origin=times, windowed=times)
    line = plot_msd([curve]).axes[0].lines[0]
    assert np.size(line.get_xdata()) < 1000
    assert curve.times.size == 25_001


def test_there_is_a_panel_for_each_pair() -> None:
    r = np.linspace(0.0, 10.0, 20)
    figure = plot_rdf(r, {pair: {"m": r} for pair in ("Li-Li", "Li-S", "S-S", "P-S", "P-P")})
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:5] == ["Li-Li", "Li-S", "S-S", "P-S", "P-P"]


def test_a_model_has_one_colour_in_all_figures_whoever_stands_beside_it() -> None:
    curves = {
        label: MsdCurve(label=label, times=np.arange(3.0), single_origin=np.arange(3.0), windowed=np.zeros(3))
        for label in ("a", "b", "c", "stranger")
    }

    def colours(*labels: str) -> dict[str, str]:
        lines = plot_msd([curves[label] for label in labels], order=["a", "b", "c"]).axes[0].lines
        return {str(line.get_label()): str(line.get_color()) for line in lines if line.get_label() in labels}

    everyone = colours("stranger", "c", "a", "b")
    assert len(set(everyone.values())) == 4
    assert colours("b", "stranger", "c") == {label: everyone[label] for label in ("b", "stranger", "c")}


def drawn(known: list[float], computed: list[float], *, logarithmic: bool = False) -> tuple[Axes, list[str]]:
    """Axes of a parity figure, and the words of its legend."""
    points = ParityPoints(
        label="model",
        reference=np.array(known),
        computed=np.array(computed),
        failed=np.zeros(len(known), dtype=np.bool_),
    )
    (axes,) = plot_parity([points], quantity="barrier (eV)", logarithmic=logarithmic).axes
    legend = axes.get_legend()
    assert legend is not None
    return axes, [text.get_text() for text in legend.get_texts()]


def marked(axes: Axes) -> dict[tuple[float, float], int]:
    """Places of all points, and with how many corners each is drawn."""
    return {
        (float(x), float(y)): len(points.get_paths()[0].vertices)
        for points in axes.collections
        for x, y in np.asarray(points.get_offsets())
    }


def test_outliers_do_not_stretch_a_parity_figure() -> None:
    known = [0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.3, 0.4]
    axes, legend = drawn(known, [0.25, 0.3, 0.3, 0.45, 0.5, 0.55, 14.0, -9.0])
    low, high = axes.get_xlim()
    assert axes.get_ylim() == (low, high)
    assert -0.1 < low < 0.0
    assert 0.6 < high < 0.7
    assert legend == ["model", "2 outside"]
    places = marked(axes)
    assert all(low <= x <= high and low <= y <= high for x, y in places)
    assert len(places) == len(known)
    assert places[0.3, high] == places[0.4, low] == TRIANGLE


def test_outliers_do_not_stretch_logarithmic_axes() -> None:
    known = [1e-6, 2e-6, 3e-6, 4e-6, 5e-6, 3e-6]
    axes, legend = drawn(known, [2e-6, 2e-6, 2e-6, 5e-6, 6e-6, 1e3], logarithmic=True)
    low, high = axes.get_ylim()
    assert 5e-7 < low < 1e-6
    assert 6e-6 < high < 1e-5
    assert legend == ["model", "1 outside"]
    assert (3e-6, high) in marked(axes)


@pytest.mark.parametrize(
    ("known", "computed"),
    [
        ([0.2, 0.3, 0.4, 0.5], [0.25, 0.35, 0.4, 0.9]),  # far off, and readable all the same
        ([0.3, 0.3, 0.3, 0.3], [0.3, 0.3, 0.3, 0.4]),  # no spread to compare with
        ([0.3], [5.0]),
    ],
)
def test_a_parity_figure_that_is_readable_shows_everything_where_it_is(
    known: list[float], computed: list[float]
) -> None:
    axes, legend = drawn(known, computed)
    assert legend == ["model"]
    assert marked(axes).keys() == set(zip(known, computed, strict=True))
    assert max(axes.get_xlim()) > max(computed)


def test_columns_of_cases_are_fields_that_the_comparison_keeps() -> None:
    """Others would be empty in every row."""
    assert {column.field for column in CASE_COLUMNS} <= set(BARRIER_FIELDS)
    assert {column.field for column in IMAGES_COLUMNS} - {""} <= set(IMAGES_FIELDS)
