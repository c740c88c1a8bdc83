"""Campaign, executor and reference files: what they mean, and what cannot be used, in one sentence each."""

import shutil
from collections import Counter
from itertools import combinations
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider, PBSProProvider, SlurmProvider

from hopkin.analysis.comparison.references import (
    DynamicsReference,
    find_reference,
    read_dynamics_references,
    read_references,
)
from hopkin.analysis.errors import ReferencesError
from hopkin.drivers.bands.endpoints import check_pair, load_pair, match_order, read_pairs, rigid_shift
from hopkin.drivers.bands.paths import displacements
from hopkin.drivers.campaigns.campaign import load_campaign
from hopkin.drivers.campaigns.costs import Cost, hours_of, seconds_of
from hopkin.drivers.campaigns.executors import configuration, load_executor
from hopkin.drivers.campaigns.jobs import Job
from hopkin.drivers.campaigns.ledger import require_folder_of
from hopkin.drivers.campaigns.planning import plan
from hopkin.drivers.campaigns.selection import campaign_file, model_names, ready_models
from hopkin.drivers.crystals.structures import lammps_orientation, load_structure
from hopkin.drivers.errors import CampaignError, HopkinError, StructureError
from hopkin.drivers.models.registry import find_model

WHOLE = "name: x\nmodels: [chgnet-0.3.0]\n"
HOPS = WHOLE + "barriers: [{structures: [LiFePO4-olivine]}]\n"
LAUGHS = (
    "a0: &a0 [ha]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)) + HOPS
)


def planned(folder: Path, text: str) -> list[Job]:
    path = folder / "campaign.yaml"
    path.write_text(text)
    asked = load_campaign(path)
    return plan(asked, folder, [find_model(name) for name in asked.models])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"campaign.yaml: wanted fields, as in `name: x`, received None"),
        ("5", r"campaign.yaml: wanted fields, as in `name: x`, received 5"),
        ("- 1\n", r"campaign.yaml: wanted fields, as in `name: x`, received \[1\]"),
        (WHOLE + "barriers: 5", r"barriers: wanted a list, received 5"),
        (WHOLE + "dynamics: [3]", r"dynamics.0: wanted fields, as in `name: x`, received 3"),
        (HOPS.replace("[chgnet-0.3.0]", "[1]"), r"models.0: wanted text, received 1$"),
        (HOPS + "start_from: m3gnet\n", r"start_from: m3gnet is none of its models: chgnet-0.3.0$"),
        (HOPS + "workers: 1.5\n", r"workers: wanted a whole number, received 1.5"),
        (HOPS + "references: 5\n", r"references: wanted a path, received 5"),
        (HOPS.replace("]}", "], supercell: [1, 2]}"), r"barriers.0.supercell.2: is missing"),
        (HOPS.replace("]}", "], hops: some}"), r"hops: wanted a whole number or 'all', received 'some'"),
        (HOPS.replace("]}", "], images: 101}"), r"barriers.0.images: .*equal to 100, received 101"),
        (HOPS.replace("]}", "], symmetric_path: 3}"), r"symmetric_path: wanted true or false, received 3"),
        ("name: [", r"campaign.yaml is no YAML: .*line 1"),
        ("name: 2024-13-45\n", r"campaign.yaml is no YAML: month must be in 1..12"),
        ("name: !!float x\n", r"campaign.yaml is no YAML: could not convert string to float: 'x'"),
        (
            "name: !!timestamp x\n",
            r"campaign.yaml is no YAML: a value does not fit its tag, as in `!!bool x`$",
        ),
        ("name: !!bool x\n", r"campaign.yaml is no YAML: a value does not fit its tag, as in `!!bool x`$"),
        ("name: !!int ''\n", r"campaign.yaml is no YAML: a value does not fit its tag, as in `!!bool x`$"),
        ("[" * 5000, r"campaign.yaml is no YAML: it is nested too deeply$"),
        (LAUGHS, r"line 1, a0: there is no such field; line 2, a1: .{,1500}$"),
        ("models: [chgnet-0.3.0]\n", r"campaign.yaml: name: is missing"),
        (WHOLE, r"it asks for nothing: give barriers, pairs or dynamics"),
        (HOPS + "executor: local\n", r"executor: there is no such field$"),
        ("name: a/b\nmodels: [m]\n", r"name: wanted text that matches .*received 'a/b'"),
        (HOPS.replace("chgnet-0.3.0", ""), r"models: wanted at least 1 of them, received \[\]"),
        (HOPS.replace("chgnet", "chgent"), r"unknown model 'chgent-0.3.0': did you mean chgnet"),
        (HOPS.replace("olivine", "olivin"), r"barriers.0: .*no such file.*LiFePO4-olivin"),
        (HOPS.replace("]}", "], hops: 0}"), r"barriers.0.hops.*greater than 0.*received 0"),
        (HOPS.replace("]}", "], hops: 99}"), r"barriers.0: LiFePO4-olivine has \d distinct hops up to 5 A"),
        (HOPS.replace("]}", "], images: 2}"), r"barriers.0.images: .*equal to 3, received 2"),
        (
            HOPS.replace("]}", "], images: 100000000}"),
            r"barriers.0.images: .*equal to 100, received 100000000",
        ),
        (
            HOPS.replace("]}", "], max_length_A: 1000}"),
            r"barriers.0.max_length_A: .*equal to 20, received 1000",
        ),
        (HOPS.replace("]}", "], supercell: [1, 1, 100000000]}"), r"barriers.0.supercell.2: .*equal to 1000"),
        (
            HOPS.replace("]}", "], max_iterations: 100000000000000000000}"),
            r"barriers.0.max_iterations: .*equal to",
        ),
        (HOPS + "workers: 100000000\n", r"workers: .*equal to 1024, received 100000000"),
        (
            WHOLE + "dynamics: [{structures: [Li6PS5Cl], temperatures_K: [300], min_edge_A: 1e5}]",
            r"dynamics.0.*min_edge_A: .*equal to 1000, received",
        ),
        (
            WHOLE + "dynamics: [{structures: [Li6PS5Cl], temperatures_K: [300], supercell: [90, 90, 90]}]",
            r"dynamics.0: Li6PS5Cl: the supercell has .* atoms; accepted: at most 100000",
        ),
        (
            HOPS.replace("]}", "], supercell: [90, 90, 90]}"),
            r"barriers.0: LiFePO4-olivine: the supercell has .* atoms; accepted: at most 100000",
        ),
        (HOPS.replace("]}", "], mechanism: swap}"), r"barriers.0.mechanism: wanted 'vacancy'"),
        (HOPS.replace("]}", "], ion: Na}"), r"barriers.0: the structure holds no Na"),
        (HOPS + "references: none.csv\n", r"cannot read the references .*none.csv: No such file"),
        (WHOLE + "pairs: [{initial: a.vasp}]", r"pairs.0: initial and final belong together"),
        (WHOLE + "pairs: [{reference_eV: 0.1}]", r"pairs.0: give endpoints, or initial and final"),
        (WHOLE + "pairs: [{endpoints: x, name: y}]", r"name and reference_eV belong to one pair"),
        (WHOLE + "pairs: [{endpoints: x.extxyz}]", r"pairs.0: no such file: .*x.extxyz"),
        (WHOLE + "pairs: [{initial: a, final: b, select: {limit: 1}}]", r"select belongs to endpoints"),
        (WHOLE + "dynamics: [{structures: [Li6PS5Cl], temperatures_K: []}]", r"temperatures_K: .*at least 1"),
        (
            WHOLE + "dynamics: [{structures: [Li6PS5Cl], temperatures_K: [-1]}]",
            r"temperature_K: .*received -1",
        ),
        (
            WHOLE + "dynamics: [{structures: [Li6PS5Cl], temperatures_K: [300], seeds: 1000000000}]",
            r"seeds: .*less than or equal to 1000, received 1000000000",
        ),
    ],
)
def test_a_campaign_that_cannot_run(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises((HopkinError, ReferencesError), match=rf"(?s){sentence}") as error:
        planned(tmp_path, text)
    assert "\n" not in str(error.value)


def test_errors_name_the_line(tmp_path: Path) -> None:
    """Of the field, or of what lacks it; a field inside of what an anchor stands for by where that is."""
    text = WHOLE + "\nbarriers:\n- structures: [LiFePO4-olivine]\n  images: 1\n- hops: 2\n"
    with pytest.raises(CampaignError) as error:
        planned(tmp_path, text)
    assert str(error.value).partition("campaign.yaml: ")[2] == (
        "line 6, barriers.0.images: wanted a number greater than or equal to 3, received 1;"
        " line 7, barriers.1.structures: is missing"
    )
    with pytest.raises(CampaignError, match=r"line 2, models.0: wanted text, received 1$"):
        planned(tmp_path, HOPS.replace("[chgnet-0.3.0]", "&m [1]"))


def test_groups_of_models() -> None:
    paper = model_names(["paper"])
    assert len(paper) == 23
    assert set(model_names(["orb", "sevennet-0", "sevennet"])) >= {"orb-v2", "sevennet-0", "sevennet-mf-0"}
    assert model_names(["sevennet-0", "sevennet-0"]) == ["sevennet-0"]
    assert set(paper) < set(model_names(["all"]))
    assert model_names(["ase:ase.calculators.emt:EMT"]) == ["ase:ase.calculators.emt:EMT"]


def test_models_that_are_not_here_can_be_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    models = [find_model(name) for name in ("ase:ase.calculators.emt:EMT", "orb-v2", "grace-2l-oam-l")]
    ready, others = ready_models(models)
    assert [model.name for model in ready] == ["ase:ase.calculators.emt:EMT"]
    assert [model.name for model in others] == ["orb-v2", "grace-2l-oam-l"]


def test_structures_by_a_pattern(tmp_path: Path) -> None:
    cell = load_structure("LiFePO4-olivine").atoms
    for name in ("b", "a"):
        cell.write(tmp_path / f"{name}.cif")
    jobs = planned(tmp_path, HOPS.replace("LiFePO4-olivine", "'*.cif'"))
    assert [job.material for job in jobs] == ["a", "b"]
    with pytest.raises(CampaignError, match=r"barriers.0: no file matches \*.xyz"):
        planned(tmp_path, HOPS.replace("LiFePO4-olivine", "'*.xyz'"))


def test_a_data_set_is_its_structures(tmp_path: Path) -> None:
    """By the names that it gives them, or by number; which of them, as ASE has it."""
    frames = [load_structure("LiFePO4-olivine").atoms for _ in range(3)]
    frames[1].info["material_id"] = "mp-19017"
    ase.io.write(tmp_path / "set.extxyz", frames)

    def names(word: str) -> list[str]:
        return [job.material for job in planned(tmp_path, HOPS.replace("LiFePO4-olivine", f"'{word}'"))]

    assert names("set.extxyz@:") == ["set-0", "mp-19017", "set-2"]
    assert names("set.extxyz@1:") == names("set.extxyz@-2:") == ["mp-19017", "set-2"]
    assert names("set.extxyz@1") == ["mp-19017"]
    assert names("set.extxyz") == ["set"]  # its last
    with pytest.raises(CampaignError, match=r"set.extxyz holds 3 structures, none of them @5"):
        names("set.extxyz@5")
    with pytest.raises(CampaignError, match=r"set.extxyz@first: wanted one structure, as @3, or several"):
        names("set.extxyz@first")
    shutil.copy(tmp_path / "set.extxyz", tmp_path / "set@1.extxyz")
    assert names("set@1.extxyz") == ["set@1"]


def test_one_of_many_that_cannot_be_used_is_a_job_that_says_so(tmp_path: Path) -> None:
    cell = load_structure("LiFePO4-olivine").atoms
    ase.io.write(tmp_path / "set.extxyz", [cell, cell[[symbol != "Li" for symbol in cell.symbols]]])
    text = HOPS.replace("LiFePO4-olivine", "'set.extxyz@:'").replace("]}", "], family: olivine}", 1)
    jobs = planned(tmp_path, text)
    assert [(job.material, job.family, job.ground is None) for job in jobs] == [
        ("set-0", "olivine", False),
        ("set-1", "olivine", True),
    ]
    assert jobs[1].title.startswith("set-1, ")
    with pytest.raises(
        StructureError, match=r"set.extxyz@1 holds no alkali metal|set-1 holds no alkali metal"
    ):
        jobs[1].work(tmp_path, verify=False, say=print)


def test_a_folder_has_one_campaign(tmp_path: Path) -> None:
    (tmp_path / "campaign.json").write_text('{"name": "mine", "jobs": []}')
    require_folder_of(tmp_path, "mine")
    with pytest.raises(
        CampaignError, match=r"holds the results of the campaign mine: give yours another --out"
    ):
        require_folder_of(tmp_path, "yours")


def test_a_run_that_is_too_short_is_refused_before_anything_runs(tmp_path: Path) -> None:
    text = WHOLE + "dynamics: [{structures: [Li6PS5Cl], temperatures_K: [300], time_ps: 0.1}]"
    with pytest.raises(
        CampaignError, match=r"dynamics.0: a run of 0.1 ps holds fewer than .* intervals of frames"
    ):
        planned(tmp_path, text)


def test_jobs_say_what_they_take(tmp_path: Path) -> None:
    """Atoms of the supercell less the vacancy; steps of a run with its equilibration; the costly first."""
    text = HOPS.replace("olivine]}", "olivine], supercell: [1, 2, 1]}") + (
        "dynamics: [{structures: [Li6PS5Cl], temperatures_K: [300], time_ps: 10, timestep_fs: 2}]"
    )
    band, run = planned(tmp_path, text)
    assert band.n_atoms == 55
    assert band.n_evaluations > 5 * 20
    assert (run.n_atoms, run.n_evaluations) == (52, 5500)
    cost = Cost(machine="x", seconds=0.01, seconds_per_atom=0.001, peak_memory_GB=1.0)
    assert seconds_of(run, cost) == pytest.approx(5500 * 0.062)
    assert hours_of([run], {run.specification.model: cost}, 2) == pytest.approx(5500 * 0.062 / 7200)
    assert hours_of([run], {}, 2) is None


@pytest.mark.parametrize("name", ["quickstart", "paper-neb", "paper-md", "paper"])
def test_campaigns_that_come_with_hopkin(name: str) -> None:
    file = campaign_file(Path(name))
    asked = load_campaign(file)
    jobs = plan(asked, file.parent, [find_model("chgnet-0.3.0")])
    kinds = Counter(job.kind for job in jobs)
    wanted = {"paper-neb": {"barrier": 44}, "paper-md": {"md": 26}, "paper": {"barrier": 44, "md": 26}}
    assert kinds == wanted.get(name, {"barrier": 1, "md": 1})


def test_a_file_of_ones_own_goes_before_one_that_comes_with_hopkin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert campaign_file(Path("paper")).name == "paper.yaml"
    (tmp_path / "paper").write_text(HOPS)
    assert campaign_file(Path("paper")) == Path("paper")
    assert campaign_file(Path("of/paper")) == Path("of/paper")


def test_an_entry_goes_before_the_defaults(tmp_path: Path) -> None:
    """And what neither gives is left to the specification; the same job asked for twice is one."""
    text = HOPS + "defaults: {images: 4, max_iterations: 7, symmetric_path: true, keep_symmetry: false}\n"
    entry = (
        "barriers: [{structures: [LiFePO4-olivine], images: 6}, {structures: [LiFePO4-olivine], images: 6}]"
    )
    (job,) = planned(tmp_path, text.replace("barriers: [{structures: [LiFePO4-olivine]}]", entry))
    asked = job.specification.model_dump()
    assert (asked["images"], asked["max_iterations"], asked["force_tolerance_eV_per_A"]) == (6, 7, 0.05)
    assert (asked["symmetric_path"], asked["keep_symmetry"]) == (True, False)
    assert (asked["ion"], job.hop_index, job.title) == ("Li", 0, "LiFePO4-olivine hop 0, chgnet-0.3.0")


def test_dynamics_are_every_temperature_and_seed(tmp_path: Path) -> None:
    text = WHOLE + "dynamics: [{structures: [Li6PS5Cl], temperatures_K: [800, 1200], seeds: 2, time_ps: 5}]"
    jobs = planned(tmp_path, text)
    asked = [(j.specification.temperature_K, j.specification.seed, j.specification.time_ps) for j in jobs]  # type: ignore[union-attr]
    assert asked == [(800, 1, 5), (800, 2, 5), (1200, 1, 5), (1200, 2, 5)]


def test_known_dynamics_and_the_trajectory_that_they_come_from(tmp_path: Path) -> None:
    frames = []
    for step in range(12):
        atoms = ase.Atoms("LiS", positions=[[1.0 + 0.5 * step, 0, 0], [3.0, 3, 3]], cell=3 * [6.0], pbc=True)
        frames.append(atoms)
    (tmp_path / "known").mkdir()
    ase.io.write(tmp_path / "known" / "aimd.extxyz", frames)
    (tmp_path / "known" / "table.csv").write_text(
        "material,temperature_K,trajectory,frame_interval_fs,msd_A2,xc\n"
        "Li6PS5Cl,600,aimd.extxyz,100,,PBE\nLi6PS5Cl,800,,,7.5,PBE\nLi10GeP2S12,800,none.extxyz,100,,\n"
    )
    text = WHOLE + "dynamics: [{structures: [Li6PS5Cl], temperatures_K: [600.2, 800, 900], references: %s}]"
    aimd, *runs = planned(tmp_path, text % "known/table.csv")
    assert (aimd.kind, aimd.title) == ("reference", "Li6PS5Cl at 600 K as known, PBE")
    known = [run.reference for run in runs]
    assert [isinstance(k, DynamicsReference) and k.msd_A2 for k in known] == [None, 7.5, False]
    directory, result = aimd.work(tmp_path / "runs", verify=True, say=lambda _: None)
    assert result["msd_A2_final"] == pytest.approx(5.5**2)
    assert result["time_ps"] == pytest.approx(1.1)
    assert (result["model"], result["temperature_K"], result["ion"]) == ("PBE", 600.0, "Li")
    assert (directory.path / "rdf.csv").is_file()
    assert aimd.work(tmp_path / "runs", verify=True, say=lambda _: None)[1] == result
    (tmp_path / "other.csv").write_text("material,temperature_K,msd_A2\nLi6PS5Cl,800,9\n")
    two = (
        text % "known/table.csv"
    ) + "\n  - {structures: [Li6PS5Cl], temperatures_K: [800], references: other.csv}"
    with pytest.raises(CampaignError, match=r"dynamics.1: 2 references for Li6PS5Cl at 800 K"):
        planned(tmp_path, two.replace("dynamics: [", "dynamics:\n  - ").replace("csv}]", "csv}"))
    with pytest.raises(CampaignError, match=r"dynamics.0: no such trajectory: .*known/none.extxyz"):
        planned(tmp_path, (text % "known/table.csv").replace("Li6PS5Cl", "Li10GeP2S12"))


def test_a_known_trajectory_without_elements_takes_them_from_the_table(
    tmp_path: Path, shared_data: Path
) -> None:
    """Random walks of D = 5e-5 cm2/s, in a dump of atom types and an XDATCAR of VASP 4."""
    cases = shared_data.resolve() / "cases"
    (tmp_path / "table.csv").write_text(
        "material,temperature_K,trajectory,timestep_fs,frame_interval_fs,species\n"
        f"Li6PS5Cl,600,{cases}/types_only.dump,2,,Li P S\nLi6PS5Cl,800,{cases}/XDATCAR_vasp4,,100,Li P S\n"
    )
    text = "dynamics: [{structures: [Li6PS5Cl], temperatures_K: [600, 800], references: table.csv}]"
    for job in planned(tmp_path, WHOLE + text)[:2]:
        assert job.kind == "reference"
        _, result = job.work(tmp_path / "runs", verify=True, say=lambda _: None)
        found, error = result["diffusivity_windowed_cm2_per_s"], result["diffusivity_std"]
        assert abs(found - 5e-5) < error < 5e-5


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("Li6PS5Cl,800,", r"row 1 of .* it says nothing: give msd_A2, diffusivity_cm2_per_s or a trajectory"),
        (
            "Li6PS5Cl,800,3,a.extxyz",
            r"row 1 of .* msd_A2 and a trajectory, which gives it too: leave out one",
        ),
        ("Li6PS5Cl,-5,3", r"row 1 of .*temperature_K: Input should be greater than 0"),
        ("Li6PS5Cl,800,3\nLi6PS5Cl,800.5,4", r"2 references for Li6PS5Cl at 800.5 K: keep one"),
    ],
)
def test_dynamics_that_are_no_reference(tmp_path: Path, row: str, sentence: str) -> None:
    (tmp_path / "known.csv").write_text(f"material,temperature_K,msd_A2,trajectory\n{row}\n")
    with pytest.raises(ReferencesError, match=sentence):
        read_dynamics_references(tmp_path / "known.csv")


def test_the_ion_has_to_be_told_where_two_could_move(tmp_path: Path) -> None:
    ase.Atoms("LiNaO", positions=np.eye(3) * 2, cell=[5, 5, 5], pbc=True).write(tmp_path / "two.extxyz")
    with pytest.raises(CampaignError, match=r"two holds Li, Na: say which ion moves"):
        planned(tmp_path, WHOLE + "barriers: [{structures: [two.extxyz]}]")


def test_published_pairs(tmp_path: Path, shared_data: Path) -> None:
    """Ends of another file, smallest first, with their barriers; Li and Na."""
    pairs = shared_data / "barriers"
    text = (
        f"{WHOLE}pairs: [{{endpoints: {pairs / 'endpoints.extxyz'}, select: {{limit: 6}},"
        f" references: {pairs / 'literature_barriers.csv'}, doi: 'arXiv:2508.06459'}}]"
    )
    jobs = planned(tmp_path, text)
    known = {job.material: job.reference for job in jobs}
    assert len(jobs) == 6
    assert {job.specification.ion for job in jobs} == {"Li", "Na"}
    vopo = known["e-VOPO4_Li_1"]
    assert vopo is not None
    assert (vopo.known, vopo.family, vopo.functional) == (("barrier_eV", 0.271), "PHOSPHATES", "GGA+U")
    assert vopo.source == "arXiv:2508.06459"


def test_the_44_cases_of_the_benchmark() -> None:
    """Of each host as many as are published, with the lengths that geometry gives."""
    path = Path(__file__).parents[2] / "benchmarks" / "campaigns" / "cathodes.yaml"
    asked = load_campaign(path)
    jobs = plan(asked, path.parent, [find_model("chgnet-0.3.0")])
    counts = Counter((job.family, job.mechanism) for job in jobs)
    assert counts == {
        ("layered", "vacancy"): 10,
        ("layered", "divacancy"): 10,
        ("olivine", "vacancy"): 8,
        ("maricite", "vacancy"): 16,
    }
    lengths = {(job.material, job.hop_index): job.path_length_A for job in jobs}
    assert lengths["LiFePO4-olivine", 0] == pytest.approx(3.0, abs=0.03)
    assert lengths["LiCoO2-layered", 0] == pytest.approx(2.81, abs=0.01)
    assert lengths["NaFePO4-maricite", 0] == pytest.approx(4.36, abs=0.01)
    assert lengths["NaFePO4-maricite", 1] == pytest.approx(4.59, abs=0.01)


# Pairs


def chain(order: list[int], x: float) -> ase.Atoms:
    """Three oxygen, a lithium that is at x, and a phosphorus atom, in an order."""
    atoms = ase.Atoms("O3LiP", cell=[10, 5, 5], pbc=True)
    atoms.positions = [[0, 2, 2], [4, 2, 2], [7, 2, 2], [x, 0, 0], [5, 4, 4]]
    return atoms[order]


def test_ends_in_different_orders_are_matched() -> None:
    """By the nearest atom of a species, across the boundary too; the one that hops goes far."""
    shuffled = [4, 2, 3, 0, 1]
    initial, final = chain([0, 1, 2, 3, 4], 1.0), chain(shuffled, 9.0)
    final.positions[3] += [9.9, 0, 0]
    matched = final[match_order(initial, final)]
    assert matched.numbers.tolist() == initial.numbers.tolist()
    assert matched.positions[1] == pytest.approx([4, 2, 2])
    assert matched.positions[0] == pytest.approx([9.9, 2, 2])
    assert matched.positions[3] == pytest.approx([9, 0, 0])


def test_ends_whose_atoms_cannot_be_told_apart() -> None:
    initial, final = chain([0, 1, 2, 3, 4], 1.0), chain([4, 3, 2, 1, 0], 9.0)
    final.positions[2:] += [1.5, 0, 0]
    with pytest.raises(StructureError, match=r"partners of atoms 1 \(O\), .* are not clear"):
        match_order(initial, final)


@pytest.mark.parametrize("kind", ["vasp", "cif"])
def test_pairs_of_files_keep_their_name(tmp_path: Path, kind: str) -> None:
    for name, x in (("a", 1.0), ("b", 3.0)):
        chain([0, 1, 2, 3, 4], x).write(tmp_path / f"{name}.{kind}", format=kind)
    first, last = load_pair(str(tmp_path / f"a.{kind}"), str(tmp_path / f"b.{kind}"))
    moved = np.linalg.norm(last.atoms.positions - first.atoms.positions, axis=1)
    assert sorted(moved.round(3))[-2:] == [0, 2.0]
    assert (first.material, last.material) == ("a", "b")


def test_the_ion_of_a_pair_is_told_by_the_entry_the_file_or_the_defaults(tmp_path: Path) -> None:
    """In this order; of a pair that is not selected nobody has to tell it."""
    frames = []
    for name, ion in (("told", "O"), ("untold", None)):
        for image, x in (("initial", 1.0), ("final", 3.0)):
            atoms = chain([0, 1, 2, 3, 4], x)
            atoms.symbols[4] = "Na"
            atoms.info |= {"sys_name": name, "image": image} | ({} if ion is None else {"ion": ion})
            frames.append(atoms)
    ase.io.write(tmp_path / "pairs.extxyz", frames)

    def ions(entry: str, defaults: str = "{}") -> list[str]:
        text = f"{WHOLE}defaults: {defaults}\npairs: [{{endpoints: pairs.extxyz{entry}}}]"
        return [job.specification.ion for job in planned(tmp_path, text)]

    assert ions(", ion: Na", "{ion: Li}") == ["Na", "Na"]
    assert ions("", "{ion: Li}") == ["O", "Li"]
    assert ions(", select: {names: [told]}") == ["O"]
    assert ions(", select: {ion: O}", "{ion: Li}") == ["O"]
    with pytest.raises(CampaignError, match=r"holds no pair that is selected"):
        ions(", select: {ion: Mg}")
    with pytest.raises(CampaignError, match=r"untold holds Li, Na: say which ion moves"):
        ions("")


def test_pairs_with_one_end_in_common_are_two(tmp_path: Path) -> None:
    for name, x in (("a", 1.0), ("b", 3.0), ("c", 5.0)):
        chain([0, 1, 2, 3, 4], x).write(tmp_path / f"{name}.vasp")
    pairs = "{initial: a.vasp, final: b.vasp}, {initial: a.vasp, final: c.vasp}"
    assert len(planned(tmp_path, f"{WHOLE}pairs: [{pairs}]")) == 2
    assert len(planned(tmp_path, f"{WHOLE}pairs: [{pairs}, {pairs}]")) == 2


@pytest.mark.parametrize("name", ["pairs@1", "pairs@PBE.extxyz"])
def test_an_at_sign_is_part_of_the_name_of_a_file_of_pairs(tmp_path: Path, name: str) -> None:
    frames = [chain([0, 1, 2, 3, 4], x) for x in (1.0, 3.0)]
    for atoms, image in zip(frames, ("initial", "final"), strict=True):
        atoms.info |= {"sys_name": "a", "image": image}
    ase.io.write(tmp_path / name, frames, format="extxyz")
    assert list(read_pairs(tmp_path / name)) == ["a"]


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        ([{"sys_name": "a"}], r"frame 0 of .* has sys_name 'a' and image None"),
        ([{"sys_name": "a", "image": "initial"}], r"holds one end only of a"),
        (2 * [{"sys_name": "a", "image": "initial"}], r"holds the initial end of a twice"),
    ],
)
def test_a_file_of_pairs_without_pairs(tmp_path: Path, info: list[dict[str, str]], sentence: str) -> None:
    frames = [chain([0, 1, 2, 3, 4], 1.0) for _ in info]
    for atoms, words in zip(frames, info, strict=True):
        atoms.info |= words
    ase.io.write(tmp_path / "pairs.extxyz", frames)
    with pytest.raises(StructureError, match=sentence):
        read_pairs(tmp_path / "pairs.extxyz")


# References


def test_a_reference_table_in_three_formats_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("material,hop,E_m,doi,note\nLiFePO4-olivine,0,0.27,10.1/x,free\n")
    (tmp_path / "t.json").write_text(
        '[{"system": "LiFePO4-olivine", "hop": 0, "E_m": 0.27, "doi": "10.1/x"}]'
    )
    (tmp_path / "t.yaml").write_text("- {material: LiFePO4-olivine, hop_index: 0, E_m: 0.27, source: 10.1/x}")
    tables = [
        read_references(tmp_path / f"t.{kind}", {"barrier_eV": "E_m"}) for kind in ("csv", "json", "yaml")
    ]
    assert tables[0] == tables[1] == tables[2]
    assert tables[0][0].barrier_eV == 0.27


def test_the_barrier_of_both_ways_is_their_mean(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("system,forward_barrier_eV,reverse_barrier_eV\na,0.5,0.3\nb,0.4,\n")
    both, one = read_references(tmp_path / "t.csv")
    assert both.known == ("barrier_eV", pytest.approx(0.4))
    assert one.known == ("forward_barrier_eV", 0.4)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "barrier_eV\n0.1\n",
            r"row 1 of .* is no reference: system: Field required; its columns are barrier_eV",
        ),
        ("system,barrier_eV\na,low\n", r"barrier_eV: .*valid number"),
        ("system,barrier_eV\na,nan\n", r"barrier_eV: .*finite number"),
        ("system,E\na,0.1\n", r"it has no barrier: .*; its columns are system, E"),
        ("system,barrier_eV\na,0.1,0.2\n", r"more cells than its header: 0.2 too many"),
        ("system,barrier_eV\n", r"holds no reference"),
        ("system,mechanism,barrier_eV\na,kick-out,0.1\n", r"mechanism: .*'vacancy' or 'divacancy'"),
    ],
)
def test_a_row_that_is_no_reference(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ReferencesError, match=sentence):
        read_references(tmp_path / "t.csv")


def test_a_column_that_is_asked_for_comes_before_those_of_known_names(tmp_path: Path) -> None:
    for header, row in (("E_pbe,barrier_eV", "0.3,0.55"), ("barrier_eV,E_pbe", "0.55,0.3")):
        (tmp_path / "t.csv").write_text(f"material,sys_name,{header}\nLi4P2S7,path 1,{row}\n")
        assert read_references(tmp_path / "t.csv")[0].barrier_eV == 0.55
        (mapped,) = read_references(tmp_path / "t.csv", {"barrier_eV": "E_pbe"})
        assert (mapped.system, mapped.barrier_eV) == ("path 1", 0.3)
        (named,) = read_references(tmp_path / "t.csv", {"system": "material"})
        assert named.system == "Li4P2S7"
    with pytest.raises(ReferencesError, match=r"has no column E_hse; its columns are material, sys_name"):
        read_references(tmp_path / "t.csv", {"barrier_eV": "E_hse"})
    with pytest.raises(ReferencesError, match=r"a reference has no energy; accepted: system, hop"):
        read_references(tmp_path / "t.csv", {"energy": "E_pbe"})


def test_a_table_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """With a byte order mark, blanks after the commas, a name in capitals and a line break in a cell."""
    text = '\ufeffsystem, hop, mechanism, barrier_eV, source\r\na, 0, Vacancy, 0.3, "one\r\ntwo"\r\n'
    (tmp_path / "T.CSV").write_bytes(text.encode())
    (read,) = read_references(tmp_path / "T.CSV")
    assert (read.system, read.hop, read.mechanism, read.barrier_eV) == ("a", 0, "vacancy", 0.3)
    assert read.source.split() == ["one", "two"]


def test_a_pair_has_the_reference_of_its_name_whatever_hop_it_is_of(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("system,hop,mechanism,barrier_eV\na,0,vacancy,0.1\nb,0,,0.2\nb,1,,0.3\n")
    known = read_references(tmp_path / "t.csv")
    found = find_reference(known, "a", None, None)
    assert found is not None
    assert found.barrier_eV == 0.1
    with pytest.raises(ReferencesError, match=r"2 references for b"):
        find_reference(known, "b", None, None)


def test_a_table_of_none_of_the_pairs_is_refused(tmp_path: Path) -> None:
    frames = [chain([0, 1, 2, 3, 4], x) for x in (1.0, 3.0)]
    for frame, image in zip(frames, ("initial", "final"), strict=True):
        frame.info |= {"sys_name": "a", "image": image}
    ase.io.write(tmp_path / "pairs.extxyz", frames)
    text = WHOLE + "pairs: [{endpoints: pairs.extxyz, references: t.csv}]"
    (tmp_path / "t.csv").write_text("system,hop,barrier_eV\na,0,0.1\n")
    (job,) = planned(tmp_path, text)
    assert job.reference is not None
    (tmp_path / "t.csv").write_text("system,barrier_eV\nb,0.1\n")
    with pytest.raises(
        CampaignError, match=r"t.csv: none is of a pair; the pairs are a, the references of b$"
    ):
        planned(tmp_path, text)


def test_a_hop_has_one_reference(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "system,hop,mechanism,barrier_eV\na,0,vacancy,0.1\na,0,divacancy,0.2\na,1,,0.3\na,1,,0.4\n"
    )
    known = read_references(tmp_path / "t.csv")
    found = find_reference(known, "a", 0, "divacancy")
    assert found is not None
    assert found.barrier_eV == 0.2
    assert find_reference(known, "a", 2, "vacancy") is None
    with pytest.raises(ReferencesError, match=r"2 references for a, hop 1, vacancy"):
        find_reference(known, "a", 1, "vacancy")


@pytest.mark.parametrize(
    ("known", "entry", "sentence"),
    [
        (
            "LiFePO4-olivine,0.3\n",
            "{structures: [LiFePO4-olivine], hops: 2}",
            r"stands for hop 0, vacancy; hop 1",
        ),
        ("LiFePO4,0.3\n", "{structures: [LiFePO4-olivine]}", r"it has LiFePO4-olivine, they are of LiFePO4$"),
        ("LiFePO4-olivine,0.3\nother,1\n", "{structures: [LiFePO4-olivine]}", None),
    ],
)
def test_a_known_barrier_is_of_one_hop(tmp_path: Path, known: str, entry: str, sentence: str | None) -> None:
    (tmp_path / "known.csv").write_text("system,barrier_eV\n" + known)
    text = f"{WHOLE}barriers: [{entry}]\nreferences: known.csv\n"
    if sentence is None:
        assert planned(tmp_path, text)[0].reference is not None
        return
    with pytest.raises(CampaignError, match=sentence):
        planned(tmp_path, text)


def test_ends_that_lack_different_ions_of_one_list_are_one_hop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The commonest way to make ends: delete ion k of a supercell in one file, ion l in the other."""
    crystal = load_structure("LiFePO4-olivine").atoms.repeat((1, 2, 1))
    crystal = crystal[np.argsort(crystal.numbers, kind="stable")]
    ions = [atom.index for atom in crystal if atom.symbol == "Li"]
    for file, lacking in (("a", ions[0]), ("b", ions[6])):
        end = crystal.copy()
        del end[lacking]
        end.write(tmp_path / f"{file}.vasp")
    first, last = load_pair(str(tmp_path / "a.vasp"), str(tmp_path / "b.vasp"))
    moved = np.linalg.norm(displacements(first.atoms, last.atoms), axis=1)
    assert np.count_nonzero(moved > 1e-6) == 1
    assert moved.max() == pytest.approx(crystal.get_distance(ions[0], ions[6], mic=True))
    assert "numbered in another order" in caplog.text


@pytest.mark.parametrize("noise_A", [0.0, 0.01, 0.06])
def test_ends_numbered_apart_are_one_hop_where_all_sites_are_neighbours(
    noise_A: float, tmp_path: Path
) -> None:
    """In the triangular layers of LiCoO2 ends that lack C and A of three neighbours A, B, C, in one list."""
    crystal = load_structure("LiCoO2-layered").atoms.repeat((4, 4, 1))
    ions = np.flatnonzero(crystal.symbols == "Li")
    near = np.array([crystal.get_distances(ion, ions, mic=True) for ion in ions])
    touch = np.abs(near - near[near > 1].min()) < 0.01
    a, b, c = next(
        (i, j, k) for i, j, k in combinations(range(len(ions)), 3) if touch[i, j] & touch[j, k] & touch[i, k]
    )
    rng = np.random.default_rng(1)
    for name, missing in (("initial", c), ("final", a)):
        end = crystal.copy()
        end.positions += rng.normal(0.0, noise_A, end.positions.shape)
        rest = np.delete(np.arange(len(crystal)), [ions[a], ions[b], ions[c]])
        end[[*rest, *(ions[k] for k in (a, b, c) if k != missing)]].write(tmp_path / f"{name}.extxyz")
    first, last = load_pair(str(tmp_path / "initial.extxyz"), str(tmp_path / "final.extxyz"))
    moved = np.linalg.norm(displacements(first.atoms, last.atoms), axis=1)
    assert np.count_nonzero(moved > 1.0) == 1


def test_ions_that_push_one_another_on_keep_their_order(tmp_path: Path) -> None:
    """Two hops of 3 A at once, which the ends of one of 6 A would be, too."""
    atoms = ase.Atoms("Li2O", positions=[[0, 2, 2], [3, 2, 2], [5, 6, 6]], cell=[12, 8, 8], pbc=True)
    atoms.write(tmp_path / "a.vasp")
    atoms.positions[:2, 0] += 3
    atoms.write(tmp_path / "b.vasp")
    first, last = load_pair(str(tmp_path / "a.vasp"), str(tmp_path / "b.vasp"))
    moved = np.linalg.norm(displacements(first.atoms, last.atoms), axis=1)
    assert moved == pytest.approx([3, 3, 0])


@pytest.mark.parametrize(("folder", "name"), [("neb_0.25", "neb_0.25"), (".", "here")])
def test_a_band_of_vasp_is_called_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "here"
    for n in range(3):
        atoms = ase.Atoms("LiO", positions=[[1 + n, 2, 2], [5, 6, 6]], cell=3 * [8], pbc=True)
        place = root / folder / f"0{n}"
        place.mkdir(parents=True)
        atoms.write(place / "POSCAR", format="vasp")
    monkeypatch.chdir(root)
    (job,) = planned(Path(), f"{WHOLE}pairs: [{{vasp: {folder}}}]")
    assert job.material == name
    assert "no barrier to compare with" in caplog.text


# Executors

PROVIDERS = {
    "local": LocalProvider,
    "slurm": SlurmProvider,
    "pbs": PBSProProvider,
}


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_file_describes_an_executor_of_parsl(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "executor.yaml"
    wall = "" if kind == "local" else ', walltime: "04:00:00"'
    path.write_text(
        "kind: high-throughput\nworkers_per_node: 4\ncores_per_worker: 2\ngpus_per_node: 4\n"
        f"address: 127.0.0.1\nprovider: {{kind: {kind}, max_blocks: 3, worker_init: module load x{wall}}}\n"
    )
    (executor,) = configuration(load_executor(str(path)), 1, tmp_path).executors
    assert isinstance(executor, HighThroughputExecutor)
    assert (executor.max_workers_per_node, executor.cores_per_worker) == (4, 2)
    provider = executor.provider
    assert type(provider) is PROVIDERS[kind]
    assert (provider.max_blocks, provider.worker_init.strip()) == (3, "module load x")
    assert getattr(provider, "walltime", "04:00:00") == "04:00:00"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("5", r"executor.yaml: wanted fields"),
        ("{}", r"wanted fields, 'kind' among them, received {}"),
        ("kind: ray\n", r"'kind'.*'threads', 'high-throughput'"),
        ("kind: threads\nprovider: {kind: local}\n", r"provider: there is no such field"),
        ("kind: high-throughput\nprovider: {kind: slurm, walltime: 4h}\n", r"walltime: .*received '4h'"),
        ("kind: high-throughput\nprovider: {kind: kubernetes}\n", r"image: is missing"),
    ],
)
def test_a_file_that_describes_none(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "executor.yaml"
    path.write_text(text)
    with pytest.raises(CampaignError, match=sentence):
        load_executor(str(path))


def test_workers_belong_to_this_machine(tmp_path: Path) -> None:
    (tmp_path / "executor.yaml").write_text("kind: threads\nworkers: 3\n")
    assert load_executor("local", None, 2) == load_executor("local", 2)
    with pytest.raises(CampaignError, match=r"--workers belongs to --executor local"):
        load_executor(str(tmp_path / "executor.yaml"), 2)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("t.csv", 'system,barrier_eV\n"' + "x" * 200_000 + '",1\n', r"field larger than field limit"),
        ("t.json", "[" * 100_000, r"maximum recursion depth exceeded"),
        ("t.yaml", "[" * 5000, r"cannot read the references .*: it is nested too deeply$"),
        (
            "t.yaml",
            "- {system: a, source: !!timestamp x}",
            r"cannot read the references .*: a value does not fit",
        ),
        ("t.yaml", "- {1: 2}", r"row 1 of .* is no reference: .*; its columns are 1$"),
        (
            "t.yaml",
            "- {system: a, forward_barrier_eV: [1], reverse_barrier_eV: 2}",
            r"row 1 of .* is no reference: forward_barrier_eV: Input should be a valid number",
        ),
        (
            "t.csv",
            "system,forward_barrier_eV,reverse_barrier_eV\na,high,2\n",
            r"row 1 of .* is no reference: forward_barrier_eV: Input should be a valid number",
        ),
    ],
)
def test_a_damaged_table_of_references(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ReferencesError, match=sentence) as error:
        read_references(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_reference_trajectory_of_no_possible_name_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "known.csv").write_text("material,temperature_K,trajectory\nLiTiS2-layered,800,a\0b\n")
    text = "dynamics: [{structures: [LiTiS2-layered], temperatures_K: [800], references: known.csv}]\n"
    with pytest.raises(CampaignError, match="no such trajectory"):
        planned(tmp_path, WHOLE + text)


# Ends that drifted apart


def hop_of_lithium(folder: Path, shift_A: tuple[float, float, float], *, order: str = "given") -> None:
    """Write the ends of a hop in LiCoO2, relaxed a little, the final one shifted as a whole."""
    crystal = load_structure("LiCoO2-layered").atoms.repeat((3, 3, 1))
    rng = np.random.default_rng(2)
    ions = np.flatnonzero(crystal.symbols == "Li")
    away = int(ions[np.argsort(crystal.get_distances(ions[0], ions, mic=True))[1]])
    initial = crystal[[n for n in range(len(crystal)) if n != away]]
    final = initial.copy()
    final.positions[ions[0]] += crystal.get_distance(int(ions[0]), away, mic=True, vector=True)
    final.positions += rng.normal(0.0, 0.02, final.positions.shape) + shift_A
    final.wrap()
    if order == "other":
        final = final[rng.permutation(len(final))]
    if order == "apart":  # each lacks another ion of one list
        lithium = [n for n in range(len(final)) if n != ions[0]]
        final = final[[*lithium[:20], int(ions[0]), *lithium[20:]]]
        final = final[np.argsort(final.numbers, kind="stable")]
        initial = initial[np.argsort(initial.numbers, kind="stable")]
    initial.write(folder / "a.extxyz")
    final.write(folder / "b.extxyz")


@pytest.mark.parametrize("order", ["given", "other", "apart"])
@pytest.mark.parametrize("shift_A", [(0.5, -0.4, 0.3), (0.06, 0.0, 0.0), (0.0, 0.0, 1.0)])
def test_ends_that_drifted_apart_are_brought_together(
    tmp_path: Path, order: str, shift_A: tuple[float, float, float], caplog: pytest.LogCaptureFixture
) -> None:
    hop_of_lithium(tmp_path, shift_A, order=order)
    first, last = load_pair(str(tmp_path / "a.extxyz"), str(tmp_path / "b.extxyz"))
    moved = np.linalg.norm(displacements(first.atoms, last.atoms), axis=1)
    assert np.count_nonzero(moved > 0.15) == 1
    assert moved.max() == pytest.approx(2.81, abs=0.1)
    length = float(np.linalg.norm(shift_A))
    assert last.note is not None
    shown = float(last.note.split(" by ")[1].split()[0])
    assert shown == pytest.approx(length, abs=0.02)
    assert "taken back" in caplog.text


def test_a_shift_by_half_the_cell_in_the_given_order(tmp_path: Path) -> None:
    """Displacements come out with either sign."""
    crystal = load_structure("LiCoO2-layered").atoms.repeat((3, 3, 1))
    hop_of_lithium(tmp_path, tuple((crystal.cell[0] + crystal.cell[2]) / 2))
    first, last = load_pair(str(tmp_path / "a.extxyz"), str(tmp_path / "b.extxyz"))
    assert np.count_nonzero(np.linalg.norm(displacements(first.atoms, last.atoms), axis=1) > 0.15) == 1


@pytest.mark.parametrize("order", ["given", "other", "apart"])
@pytest.mark.parametrize("shift_A", [(0.0, 0.0, 0.0), (0.02, 0.0, 0.0)])
def test_ends_that_did_not_drift_stay_as_they_are(
    tmp_path: Path, order: str, shift_A: tuple[float, float, float]
) -> None:
    hop_of_lithium(tmp_path, shift_A, order=order)
    _, last = load_pair(str(tmp_path / "a.extxyz"), str(tmp_path / "b.extxyz"))
    alone = load_structure(str(tmp_path / "b.extxyz")).atoms
    assert last.note is None
    assert np.array_equal(np.sort(last.atoms.positions, axis=0), np.sort(alone.positions, axis=0))


def test_published_ends_did_not_drift(shared_data: Path) -> None:
    for name, (initial, final) in read_pairs(shared_data / "barriers" / "endpoints.extxyz").items():
        assert rigid_shift(lammps_orientation(initial), lammps_orientation(final)) is None, name


def test_the_shifted_pair_of_files(shared_data: Path, tmp_path: Path) -> None:
    """As two files, and as a pair of a campaign."""
    files = [shared_data / "cases" / f"shift_{end}.vasp" for end in ("initial", "final")]
    _, last = load_pair(*map(str, files))
    assert last.note == "the final end was shifted as a whole by 0.79 A, which was taken back"
    frames = [ase.io.read(file) for file in files]
    for frame, image in zip(frames, ("initial", "final"), strict=True):
        frame.info |= {"sys_name": "LiCoO2", "image": image}
    ase.io.write(tmp_path / "ends.extxyz", frames, format="extxyz")
    first, last = check_pair(*read_pairs(tmp_path / "ends.extxyz")["LiCoO2"], name="LiCoO2", source="x")
    assert last.note is not None
    moved = np.linalg.norm(displacements(first.atoms, last.atoms), axis=1)
    assert np.count_nonzero(moved > 0.01) == 1
