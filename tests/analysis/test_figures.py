"""Figures and leaderboard of a campaign with planted numbers: their data are these, exactly."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from synthetic import (
    RDF_AREA_A,
    SLOPE,
    VACANT_PART,
    Synthetic,
    computed_barrier,
    computed_diffusivity,
    computed_energy,
    known_barrier,
    known_diffusivity,
    known_energy,
    vacancy_diffusivity,
)

from hopkin.analysis.comparison import Card, collect, leaderboard_of
from hopkin.analysis.comparison.published import cathode_barriers, published_errors
from hopkin.analysis.report.figures import figures_of
from hopkin.analysis.report.panels import Figure, Series
from hopkin.analysis.report.prints import draw, write_figures

MODELS = ("mace-mp-0b3", "orb-v2", "sevennet-0")
CARDS = {
    "mace-mp-0b3": Card(architecture="MACE", training_set="MPtrj"),
    "orb-v2": Card(architecture="Orb", training_set="MPtrj and Alexandria"),
    "sevennet-0": Card(architecture="SevenNet", training_set="MPtrj"),
}
N_BARRIERS, N_RUNS, N_KINETICS, N_FAILED = 12, 4, 2, 5


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "planted"
    Synthetic(folder, MODELS, n_barriers=N_BARRIERS, n_runs=N_RUNS, n_kinetics=N_KINETICS, n_failed=N_FAILED)
    return folder


@pytest.fixture(scope="module")
def figures(root: Path) -> dict[str, Figure]:
    tables = collect(root)
    return {figure.name: figure for figure in figures_of(tables, leaderboard_of(tables, CARDS), CARDS)}


def converged(model: int) -> range:
    return range(N_FAILED if model == len(MODELS) - 1 else 0, N_BARRIERS)


def mae(model: int) -> float:
    return float(np.mean([abs(computed_barrier(model, n) - known_barrier(n)) for n in converged(model)]))


def series(figure: Figure, panel: int = 0) -> dict[str, Series]:
    return {one.label.partition(":")[0]: one for one in figure.panels[panel].series}


def test_the_leaderboard_has_the_planted_errors(root: Path) -> None:
    board = leaderboard_of(collect(root), CARDS)
    assert all(a["barrier_mae_eV"] <= b["barrier_mae_eV"] for a, b in pairwise(board))
    rows = {row["model"]: row for row in board}
    for number, model in enumerate(MODELS):
        row, failed = rows[model], N_FAILED if model == MODELS[-1] else 0
        errors = [computed_barrier(number, n) - known_barrier(n) for n in converged(number)]
        assert row["barrier_mae_eV"] == pytest.approx(np.mean(np.abs(errors)), abs=1e-12)
        assert row["barrier_bias_eV"] == pytest.approx(np.mean(errors), abs=1e-12)
        assert row["barrier_slope"] == pytest.approx(SLOPE, abs=1e-12)
        assert row["barrier_mae_eV_low"] < row["barrier_mae_eV"] < row["barrier_mae_eV_high"]
        assert (row["n_barriers"], row["n_barriers_converged"], row["n_barriers_failed"]) == (
            N_BARRIERS,
            N_BARRIERS - failed,
            failed,
        )
        assert row["failed_part"] == failed / N_BARRIERS
        orders = [
            abs(np.log10(computed_diffusivity(number, n, kelvin) / known_diffusivity(n, kelvin)))
            for n in range(N_RUNS)
            for kelvin in (800, 1200)
        ]
        assert row["log10_msd_mae"] == pytest.approx(np.mean(orders), abs=1e-9)
        assert row["activation_energy_mae_eV"] == pytest.approx(0.01 * (number + 1), abs=1e-9)
        assert row["seconds_per_barrier"] == 10.0 * (number + 1)
        assert row["ns_per_day"] == 2.0 * (number + 1)
        assert row["n_negative_diffusivities"] == 0
        assert (row["architecture"], row["training_set"]) == (
            CARDS[model].architecture,
            CARDS[model].training_set,
        )
    assert rows["sevennet-0"]["published_barrier_mae_eV"] == 0.262


def test_failures_by_model_and_class(figures: dict[str, Figure]) -> None:
    (panel,) = figures["failures"].panels
    assert {one.label: (list(one.x), list(one.y)) for one in panel.series} == {
        "type I divergence": (["sevennet-0"], [3]),
        "endpoint drift": (["sevennet-0"], [2]),
    }


def test_barrier_errors_by_architecture_with_the_training_set(figures: dict[str, Figure]) -> None:
    bars = series(figures["barrier_errors"])
    assert list(bars["MPtrj"].x) == ["mace-mp-0b3", "sevennet-0"]
    assert bars["MPtrj"].y == pytest.approx([mae(0), mae(2)], abs=1e-12)
    assert bars["MPtrj and Alexandria"].y == pytest.approx([mae(1)], abs=1e-12)
    (panel,) = figures["barrier_errors"].panels
    assert list(panel.categories) == ["mace-mp-0b3", "orb-v2", "sevennet-0"]  # by architecture
    assert dict(zip(bars["published"].x, bars["published"].y, strict=True)) == {
        "mace-mp-0b3": 0.312,
        "orb-v2": 0.348,
        "sevennet-0": 0.262,
    }


def test_parity_of_barriers_by_architecture(figures: dict[str, Figure]) -> None:
    panels = figures["barrier_parity"].panels
    assert [panel.title for panel in panels] == ["MACE", "Orb", "SevenNet"]
    for number, panel in enumerate(panels):
        (points,) = panel.series
        assert points.x == pytest.approx([known_barrier(n) for n in converged(number)], abs=1e-12)
        assert points.y == pytest.approx([computed_barrier(number, n) for n in converged(number)], abs=1e-12)
        assert f"MAE {mae(number):.3f} eV" in points.label
        assert panel.ends is not None
        assert panel.ends[0] < 0 < max(points.x) < panel.ends[1]


def test_errors_of_dynamics_at_each_temperature(figures: dict[str, Figure]) -> None:
    msd, diffusivity, rdf = figures["dynamics_errors"].panels
    for kelvin in (800, 1200):
        for panel, of in (
            (msd, lambda known, found: abs(np.log10(found / known))),
            (diffusivity, lambda known, found: abs(found - known)),
        ):
            (bars,) = [one for one in panel.series if one.label == f"{kelvin} K"]
            expected = [
                np.mean(
                    [
                        of(known_diffusivity(n, kelvin), computed_diffusivity(number, n, kelvin))
                        for n in range(N_RUNS)
                    ]
                )
                for number in range(len(MODELS))
            ]
            assert list(bars.x) == list(MODELS)
            assert bars.y == pytest.approx(expected, rel=1e-6)
    for bars in rdf.series:  # medians over one pair that differs, and one that does not
        assert bars.y == pytest.approx([RDF_AREA_A * (n + 1) / 2 for n in range(len(MODELS))], rel=1e-6)


def test_parity_of_dynamics(figures: dict[str, Figure]) -> None:
    for name in ("msd_parity", "diffusivity_parity"):
        low, high = figures[name].panels
        assert (low.title, high.title) == ("800 K", "1200 K")
        for kelvin, panel in ((800.0, low), (1200.0, high)):
            assert panel.log_x
            for number, points in enumerate(panel.series):
                scale = 6e4 * 50 if name == "msd_parity" else 1.0
                known = [scale * known_diffusivity(n, kelvin) for n in range(N_RUNS)]
                found = [scale * computed_diffusivity(number, n, kelvin) for n in range(N_RUNS)]
                assert points.x == pytest.approx(known, rel=1e-7)
                assert points.y == pytest.approx(found, rel=1e-7)


def test_activation_energies_and_radial_distributions(figures: dict[str, Figure]) -> None:
    for number, points in enumerate(figures["activation_energies"].panels[0].series):
        assert points.x == pytest.approx([known_energy(n) for n in range(N_RUNS)], abs=1e-9)
        assert points.y == pytest.approx([computed_energy(number, n) for n in range(N_RUNS)], abs=1e-9)
    for panel in figures["rdf_errors"].panels:
        for number, box in enumerate(panel.series):
            planted = sorted([0.0, RDF_AREA_A * (number + 1)] * N_RUNS)
            assert sorted(box.y) == pytest.approx(planted, abs=1e-6)


def test_diffusivities_from_hops_beside_dynamics(figures: dict[str, Figure]) -> None:
    """Lines: of charge, the mean of the axes; points: those of the dynamics of the same material."""
    assert [panel.title for panel in figures["arrhenius"].panels] == ["Na0PS4", "Na1PS4"]
    for material in range(N_KINETICS):
        of = series(figures["arrhenius"], material)
        for number, model in enumerate(MODELS):
            line, points = of[f"{model}, hops"], of[f"{model}, dynamics"]
            kelvin = [1000 / x for x in line.x]
            assert kelvin == pytest.approx([300, 800, 1200])
            means = [
                np.mean([vacancy_diffusivity(number, material, t, axis) for axis in range(3)]) for t in kelvin
            ]
            assert line.y == pytest.approx([VACANT_PART / (1 - VACANT_PART) * mean for mean in means])
            assert points.x == pytest.approx([1000 / 800, 1000 / 1200])
            assert points.y == pytest.approx([computed_diffusivity(number, material, t) for t in (800, 1200)])


def test_softening_and_cost(figures: dict[str, Figure]) -> None:
    bias, slope = figures["softening"].panels
    assert (bias.level, slope.level) == (0.0, 1.0)
    assert slope.series[0].y == pytest.approx([SLOPE] * 3, abs=1e-12)
    assert {one.label: (one.x[0], one.y[0]) for one in figures["cost"].panels[0].series} == {
        model: (10.0 * (number + 1), pytest.approx(mae(number))) for number, model in enumerate(MODELS)
    }
    assert bias.series[0].y == pytest.approx(
        [
            np.mean(
                [computed_barrier(MODELS.index(m), n) - known_barrier(n) for n in converged(MODELS.index(m))]
            )
            for m in bias.series[0].x
        ]
    )
    assert all(
        low < y < high
        for low, y, high in zip(bias.series[0].low, bias.series[0].y, bias.series[0].high, strict=True)
    )


def test_prints_show_the_same_numbers(figures: dict[str, Figure]) -> None:
    """Read from the artists of matplotlib, not from pixels."""
    axes = draw(figures["barrier_parity"]).axes
    for number, one in enumerate(axes):
        drawn = np.concatenate([collection.get_offsets() for collection in one.collections])
        assert sorted(drawn[:, 1]) == pytest.approx(
            sorted(computed_barrier(number, n) for n in converged(number)), abs=1e-12
        )
    (bars,) = draw(figures["failures"]).axes
    assert sorted(patch.get_height() for patch in bars.patches) == [2, 3]


def test_files_for_print(root: Path, tmp_path: Path) -> None:
    written = write_figures(root, tmp_path / "one", CARDS)
    names = {path.name for path in written}
    assert {f"barrier_parity.{kind}" for kind in ("pdf", "svg", "png")} <= names
    assert {"profile-Na0-layered-hop0-vacancy.pdf", "msd-Na0PS4-800K.pdf", "rdf-Na0PS4-800K.pdf"} <= names
    assert (tmp_path / "one" / "leaderboard.tex").read_text().count("\\\\\n") == len(MODELS) + 1
    assert all(path.stat().st_size for path in written)
    write_figures(root, tmp_path / "two", CARDS)
    for path in written:
        if path.suffix in (".svg", ".pdf", ".tex", ".json"):
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_published_numbers_are_of_models_of_the_registry() -> None:
    from hopkin.drivers.models.registry import known_models

    assert set(published_errors()) <= {name for name, model in known_models().items() if model.paper}
    assert published_errors()["orb-v3-direct-20-mpa"]["barrier_mae_eV", None] == (0.075, 0.1)
    assert published_errors()["mattersim-v1.0.0-5m"]["log10_msd_mae", 1200.0] == (0.085, 0.085)


def test_known_barriers_are_of_hops_of_the_built_in_cathodes(shared_data: Path) -> None:
    """Each is that of its source, whose hop is as long, where the source has the crystal of hopkin."""
    from hopkin.drivers.crystals import load_structure, mobile_ion
    from hopkin.drivers.workflows import select_hops

    with (shared_data / "barriers" / "literature_barriers.csv").open(newline="") as file:
        published = {row["sys_name"]: row for row in csv.DictReader(file)}
    for reference in cathode_barriers():
        structure = load_structure(reference.system)
        ion = mobile_ion(structure.atoms.symbols, reference.system)
        hop = next(h for h in select_hops(structure, ion, 5.0, "all") if h.index == reference.hop)
        row = published[reference.source.partition("(")[2].rstrip(")")]
        assert float(row["barrier_eV"]) == reference.barrier_eV
        assert row["ion"] == ion
        if row["cls"] == "MARICITE":
            assert hop.length_A == pytest.approx(float(row["hop_distance"]), abs=1e-3)


def test_labels_and_saddles_of_dft() -> None:
    """Of planted rows: each number is in its panel, by its group or model."""
    of = [("800", "a"), ("800", "b"), ("1200", "a"), ("1200", "b")]
    labels = [
        {"source": "set.xyz", "group": group, "model": model, "energy_shifted_mae_eV_per_atom": n / 1000,
         "force_mae_eV_per_A": n / 100, "stress_mae_GPa": None if group == "800" else n / 10}
        for n, (group, model) in enumerate(of, start=1)
    ]  # fmt: skip
    images = [
        {"material": f"m{n}", "model": model, "failure": None, "saddle_energy_eV": 0.1 * n,
         "saddle_reference_energy_eV": 0.2 * n, "saddle_normal_force_mae_eV_per_A": 0.01 * n,
         "saddle_stress_mae_GPa": 1.0 * n}
        for n, model in enumerate(("a", "a", "b"), start=1)
    ]  # fmt: skip
    found = {figure.name: figure for figure in figures_of({"labels": labels, "images": images}, [], {})}
    energies, forces, stresses = found["labels"].panels
    assert [(bars.label, list(bars.x), list(bars.y)) for bars in energies.series] == [
        ("set.xyz, 800", ["a", "b"], [0.001, 0.002]),
        ("set.xyz, 1200", ["a", "b"], [0.003, 0.004]),
    ]
    assert [list(bars.y) for bars in forces.series] == [[0.01, 0.02], [0.03, 0.04]]
    assert [(bars.label, list(bars.y)) for bars in stresses.series] == [("set.xyz, 1200", [0.3, 0.4])]
    parity, across, stress = found["transition_states"].panels
    assert [(one.model, list(one.x), list(one.y)) for one in parity.series] == [
        ("a", [0.2, 0.4], [0.1, 0.2]),
        ("b", [pytest.approx(0.6)], [pytest.approx(0.3)]),
    ]
    assert [list(box.y) for box in across.series] == [[0.01, 0.02], [0.03]]
    assert [list(box.y) for box in stress.series] == [[1.0, 2.0], [3.0]]
