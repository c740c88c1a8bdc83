"""The report shows what the run directories hold, failures included, and nothing unescaped."""

import json
import re
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.markers import MarkerStyle
from page import report, rows_of
from synthetic import Synthetic

from hopkin.analysis.comparison.comparison import BARRIER_FIELDS, IMAGES_FIELDS
from hopkin.analysis.comparison.dynamics_tables import COLUMNS
from hopkin.analysis.comparison.results import find_runs
from hopkin.analysis.errors import ResultsError
from hopkin.analysis.report import columns
from hopkin.analysis.report.panels import Figure, Series, parity
from hopkin.analysis.report.plots import EnergyProfile, MsdCurve, plot_energy_profiles, plot_msd, plot_rdf
from hopkin.analysis.report.prints import draw, write_figures
from hopkin.analysis.report.report import write_report
from hopkin.analysis.transport.tables import read_table

TRIANGLE = len(MarkerStyle("^").get_path().vertices)
BARRIER: dict[str, Any] = {
    "material": "LiFePO4-olivine", "ion": "Li", "hop": "Li0(a) -> Li3(a)  3.005 A x4",
    "hop_index": 1, "path_length_A": 3.0049, "images": 5,
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


def test_the_numbers_of_a_barrier_are_shown(tmp_path: Path) -> None:
    put(tmp_path, "a", "barrier", BARRIER)
    content = report(tmp_path)
    (row,) = rows_of(content, "barriers")
    shown = {column["title"]: row[column["field"]] for column in content["tables"]["barriers"]["columns"]}
    assert shown["barrier"] == BARRIER["barrier_eV"]
    assert (shown["forward"], shown["reverse"], shown["force"], shown["time"]) == (
        0.2663,
        0.2567,
        0.0431,
        311.7,
    )
    run = content["runs"][row["run"]]
    assert run["title"] == "LiFePO4-olivine, hop 1"
    assert run["link"] == "a/"
    assert run["band"]["energies_eV"] == pytest.approx([0.0, 0.2, 0.27, 0.19, 0.01])
    assert run["facts"]["parity_force_eV_per_A"] == 8.6e-7
    (made,) = rows_of(content, "provenance")
    assert (made["model_sha256"], made["lammps_version"], made["hopkin_version"]) == (
        "ab" * 32,
        "22 Jul 2025",
        "0.1.0",
    )


def test_the_numbers_and_curves_of_a_run_of_md_are_shown(tmp_path: Path) -> None:
    put_tables(put(tmp_path, "a", "md", MD))
    content = report(tmp_path)
    (row,) = rows_of(content, "dynamics")
    assert row["diffusivity_cm2_per_s"] == -1.234e-6  # negative, as it came out
    run = content["runs"][row["run"]]
    assert run["facts"]["diffusivity_windowed_reason"] == "the MSD reaches 2.50 A^2"
    assert run["msd"]["msd_single_origin_A2"] == [0, 2]
    assert run["rdf"]["Li-S"] == [0, 0.9]
    (model,) = rows_of(content, "models")
    assert (model["n_runs"], model["n_negative_diffusivities"]) == (1, 1)


def test_failures_are_shown_with_their_class(tmp_path: Path) -> None:
    put(tmp_path, "good", "barrier", BARRIER)
    diverged = {"failure": "type_I_divergence", "model": "m3gnet", "energies_eV": [0.0, 1e9, None]}
    put(tmp_path, "bad", "barrier", BARRIER | diverged | {"barrier_eV": None})
    put(tmp_path, "worse", "md", {"failure": "diverged"}, material="Na3PS4", model="orb-v2")
    content = report(tmp_path)
    assert [row["failure"] for row in rows_of(content, "barriers")] == ["type_I_divergence", None]
    assert [row["failure"] for row in rows_of(content, "dynamics")] == ["diverged"]
    assert content["counts"] == {"finished": 1, "failed": 2, "unfinished": 0, "unreadable": 0}
    (failures,) = [figure for figure in content["figures"] if figure["name"] == "failures"]
    assert [panel["title"] for panel in failures["panels"]] == ["barriers", "molecular dynamics"]


def test_unfinished_unreadable_and_other_runs_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "deep/er/open", "neb", None, model="mace-mp-0b3")
    (put(tmp_path, "torn", "md", None) / "result.json").write_text('{"material": ')
    (put(tmp_path, "list", "md", None) / "result.json").write_text("[]")
    put(tmp_path, "e", "evaluate", {"failure": None})
    rows = rows_of(report(tmp_path), "provenance")
    assert {(row["name"], row["kind"], row["state"]) for row in rows} == {
        ("deep/er/open", "neb", "unfinished"),
        ("torn", "md", "unreadable"),
        ("list", "md", "unreadable"),
        ("e", "evaluate", "finished"),
    }


def test_a_direct_model_is_marked(tmp_path: Path) -> None:
    for name, facts in {"a": {}, "b": {"conservative": False}}.items():
        put(tmp_path, name, "barrier", BARRIER | {"model": f"model-{name}", **facts})
    rows = rows_of(report(tmp_path), "models")
    assert {row["model"]: row["forces"] for row in rows} == {
        "model-a": None,
        "model-b": "direct: no gradient",
    }


def test_a_run_alone_stands_beside_the_known_barrier_of_its_cathode(tmp_path: Path) -> None:
    put(tmp_path, "a", "barrier", BARRIER | {"hop_index": 0, "mechanism": "vacancy"})
    put(tmp_path, "open", "barrier", None, material="LiCoO2-layered", model="m")  # two hops are known of it
    row, _ = sorted(rows_of(report(tmp_path), "barriers"), key=lambda row: row["barrier_eV"] is None)
    assert row["reference_eV"] == 0.27
    assert row["error_eV"] == pytest.approx(BARRIER["barrier_eV"] - 0.27)


def test_a_campaign_of_errors_alone_has_a_page(tmp_path: Path) -> None:
    job = {"kind": "barrier", "material": "x", "ion": "Li", "model": "m", "directory": None}
    jobs = [job | {"id": "0", "failure": "ModelError", "message": "no weights"}]
    (tmp_path / "campaign.json").write_text(json.dumps({"name": "c", "jobs": jobs}))
    content = report(tmp_path)
    (row,) = rows_of(content, "barriers")
    assert (row["failure"], row["message"], row["run"]) == ("ModelError", "no weights", None)
    write_figures(tmp_path, tmp_path / "figures")


def test_what_several_campaigns_have_counts_once(tmp_path: Path) -> None:
    for name in ("first", "second"):
        Synthetic(tmp_path / name, ("m",), n_barriers=3)
    content = report(tmp_path)
    assert len(rows_of(content, "barriers")) == 3
    assert rows_of(content, "models")[0]["n_barriers"] == 3


def test_the_path_of_a_run_can_be_seen(tmp_path: Path) -> None:
    """Its atoms, its cell, and the places of those that move, across the faces of the cell."""
    directory = put(tmp_path, "a", "barrier", BARRIER)
    frames = [ase.Atoms("LiF", [[x, 0, 0], [2, 2, 2]], cell=[4, 4, 4], pbc=True) for x in (3.5, 0.0, 0.5)]
    ase.io.write(directory / "path.extxyz", frames)
    (run,) = report(tmp_path)["runs"]
    assert run["crystal"]["symbols"] == ["Li", "F"]
    assert run["crystal"]["moving"] == {"0": [[3.5, 0, 0], [4.0, 0, 0], [4.5, 0, 0]]}


def test_text_is_escaped_and_the_page_needs_no_network(tmp_path: Path) -> None:
    nasty = "</script><script>alert('x')</script> & <!-- $\\frac$"
    put(tmp_path, "a", "barrier", BARRIER | {"material": nasty, "model": nasty})
    put_tables(put(tmp_path, "b", "md", MD | {"material": nasty, "failure": nasty}))
    content = report(tmp_path)
    assert rows_of(content, "barriers")[0]["material"] == nasty
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.count("<script") == html.count("</script>") == 5
    assert "default-src 'none'" in html  # the browser itself refuses what would be loaded
    assert not re.search(
        r"<(?:link|iframe|img|object)\b[^>]*(?:src|href|data)=", html.partition("<script")[0]
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "name", ["$x_{1}$", "a$", "$\\frac{", "\x1b[31mred\x07", "\udcff", "\u9502", "a\nb", "\0"]
)
def test_a_material_of_any_name_has_its_page(tmp_path: Path, name: str) -> None:
    put(tmp_path, "a", "barrier", BARRIER | {"material": name, "model": name})
    put_tables(put(tmp_path, "b", "md", MD | {"material": name, "model": name}))
    (row,) = rows_of(report(tmp_path), "barriers")
    assert row["material"] == name.replace("\udcff", "\N{REPLACEMENT CHARACTER}")
    write_figures(tmp_path, tmp_path / "figures")


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
    panel = parity("barrier (eV)", series=[Series(label="model", x=known, y=computed)], log=logarithmic)
    (axes,) = draw(Figure(name="parity", title="", caption="", panels=[panel])).axes
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


def test_columns_are_fields_that_the_comparison_keeps() -> None:
    """Others would be empty in every row."""
    assert {column.field for column in columns.BARRIERS} <= set(BARRIER_FIELDS)
    assert {column.field for column in columns.IMAGES} <= set(IMAGES_FIELDS)
    assert {column.field for column in columns.DYNAMICS} <= set(COLUMNS)
