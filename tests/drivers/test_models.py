"""The registry, the files behind it, and checkpoints that users bring."""

import shutil
from pathlib import Path

import pytest
from ase.build import bulk
from ase.data import chemical_symbols

from hopkin.drivers.campaigns.campaign import load_campaign
from hopkin.drivers.errors import ModelError
from hopkin.drivers.models import environments, registry, weights, worker
from hopkin.drivers.models import model as model_value
from hopkin.drivers.models.adapters import Configuration
from hopkin.drivers.models.adapters.ase import ASEAdapter
from hopkin.drivers.models.model import State
from hopkin.drivers.models.registry import fetch, find_model, known_models
from hopkin.drivers.models.weights import sha256_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

NAMES = ("sevennet-0", "chgnet-0.3.0")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory of one's own."""
    for module in (model_value, registry, weights):
        monkeypatch.setattr(module, "cache_directory", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def test_registry_holds_the_23_models_of_the_comparison() -> None:
    assert set(NAMES) <= set(known_models())
    assert len({model.paper for model in known_models().values() if model.paper}) == 23


@pytest.mark.parametrize("name", known_models())
def test_entry_says_where_its_weights_are(name: str) -> None:
    model = known_models()[name]
    assert model.family in environments.families()
    assert model.sources
    assert model.licence
    assert model.reference
    assert model.sha256 == "" or len(model.sha256) == 64
    assert model.sha256 or model.sources[0].url.startswith("https://")
    assert {"Li", "P", "O"} <= set(model.elements)
    assert ("direct" not in name) == model.conservative or name.startswith(("orb", "m3gnet"))


@pytest.mark.parametrize("name", NAMES)
def test_entry_is_complete(name: str) -> None:
    model = known_models()[name]
    assert model.name == name
    assert len(model.elements) == 89
    assert len(set(model.elements)) == 89
    assert set(model.elements) <= set(chemical_symbols[1:])
    assert {"Li", "Na", "K"} <= set(model.elements)
    assert not {"Po", "At", "Rn", "Fr", "Ra", "Am"} & set(model.elements)
    assert model.cutoff_A is not None
    assert 3.0 < model.cutoff_A < 12.0
    assert model.golden_energy_eV_per_atom is not None
    assert len(model.sha256) == 64
    assert model.licence
    assert "doi" in model.reference
    assert model.pair_style == {"native": "e3gnn", "service": "hopkin"}[model.route]


@pytest.mark.parametrize("name", NAMES)
def test_installed_weights_are_those_of_the_registry(name: str) -> None:
    model = known_models()[name]
    assert model.checkpoint_sha256() == model.sha256


@pytest.mark.parametrize("name", NAMES)
def test_damaged_weights_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "weights"
    content = bytearray(known_models()[name].checkpoint().read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    monkeypatch.setattr(weights, "find", lambda *_: damaged)
    with pytest.raises(ModelError, match=rf"{name}: .*damaged or another file.*the registry says"):
        fetch(known_models()[name])


def test_a_family_whose_environment_has_not_been_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "interpreter", lambda _: None)
    model = known_models()["sevennet-0"]
    assert model.state() == State.NEEDS_INSTALL
    with pytest.raises(ModelError, match=r"family sevennet .*: run `hopkin models install sevennet`"):
        fetch(model)


def test_weights_that_are_not_here(cache: Path) -> None:
    model = known_models()["sevennet-omat"]
    assert model.state() == State.NEEDS_DOWNLOAD
    with pytest.raises(ModelError, match=r"weights are not here: run `hopkin models fetch sevennet-omat`"):
        model.checkpoint()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sevenet", "did you mean sevennet-0"),
        ("CHGNet", "did you mean chgnet-0.3.0"),
        ("gap", "accepted are those of `hopkin models list`"),
    ],
)
def test_unknown_name(name: str, hint: str) -> None:
    with pytest.raises(ModelError, match=rf"unknown model '{name}'.*{hint}.*FAMILY:/path/to/checkpoint"):
        find_model(name)


@pytest.mark.parametrize(
    "name",
    [
        "ase:/x\nshell touch PWNED/x.py:make",
        'mace:/a"b/x.model',
        "chgnet-0.3.0\t",
        "sevennet:/\udcc3.pth",
        "a\u2028b",
    ],
)
def test_a_name_with_control_characters_or_quotes(name: str) -> None:
    with pytest.raises(ModelError, match="accepted are names and paths without control characters") as caught:
        find_model(name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", ["ase:modül:make", "ase:ase.calculators.emt:Ümt", "ase:a b:make", "ase:.a:make"]
)
def test_an_ase_model_that_a_deck_cannot_name(name: str) -> None:
    with pytest.raises(ModelError, match="names of modules and factories are accepted in ASCII letters"):
        find_model(name)


def test_name_of_the_registry_gives_its_entry() -> None:
    assert find_model("chgnet-0.3.0") is known_models()["chgnet-0.3.0"]


@pytest.mark.parametrize("name", NAMES)
def test_a_known_file_is_known_by_its_hash(name: str, tmp_path: Path) -> None:
    known = known_models()[name]
    mine = tmp_path / "mine.pth.tar"
    shutil.copy(known.checkpoint(), mine)
    model = find_model(f"{known.family}:{mine}")
    assert model == known.model_copy(
        update={"name": f"{known.family}:{mine}", "title": "mine.pth.tar", "path": mine, "sources": ()}
    )


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A checkpoint that says otherwise than the registry's model of its family."""
    import torch

    content = torch.load(known_models()["sevennet-0"].checkpoint(), map_location="cpu", weights_only=False)
    content["config"]["cutoff"] = 4.5
    content["config"]["_type_map"] = {3: 0, 8: 1}
    content["config"]["num_convolution_layer"] = 2
    torch.save(content, tmp_path / "small.pth")
    return tmp_path / "small.pth"


def test_facts_are_not_those_of_the_registry(small: Path, cache: Path) -> None:
    model = find_model(f"sevennet:{small}", trusted=True)
    assert (model.elements, model.cutoff_A, model.layers) == (("Li", "O"), 4.5, 2)
    assert model.golden_energy_eV_per_atom is None  # nothing is published of a user's weights
    assert (model.training_set, model.licence) == ("unknown", "unknown")
    with pytest.raises(ModelError, match=r"does not cover F; it covers 2 elements: Li O"):
        model.require_elements(["Li", "F"])


def test_a_program_nobody_has_seen_is_loaded_on_trust_alone(small: Path, cache: Path) -> None:
    for _ in range(2):
        with pytest.raises(ModelError, match=r"small\.pth has not been seen before.*run any code.*--trust"):
            find_model(f"sevennet:{small}")
    first = find_model(f"sevennet:{small}", trusted=True)
    assert find_model(f"sevennet:{small}") == first  # remembered
    small.write_bytes(small.read_bytes() + b"x")
    weights.sha256_of.cache_clear()
    with pytest.raises(ModelError, match=r"has not been seen before"):
        find_model(f"sevennet:{small}")


def test_a_pickle_in_the_place_of_mere_numbers_is_not_run(tmp_path: Path, cache: Path) -> None:
    """CHGNet's checkpoints are loaded as numbers alone: what else a file holds does not come to life."""
    import torch

    class Program:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"model": Program()}, tmp_path / "x.pth")
    with pytest.raises(ModelError, match=r"is no checkpoint of family chgnet: damaged, or no checkpoint"):
        find_model(f"chgnet:{tmp_path / 'x.pth'}", trusted=True)
    assert not (tmp_path / "ran").exists()


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ModelError, match=rf"no such file: {tmp_path}/mine.pth"):
        find_model("chgnet:~/mine.pth")


def test_fetch_makes_the_file_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = known_models()["sevennet-0"]
    made = []

    def export(python: Path, task: str, *, model: str, path: str) -> None:
        made.append(task)
        Path(path).write_bytes(b"exported")

    monkeypatch.setattr(worker, "call", export)
    path = fetch(model)
    assert path is not None
    before = path.stat().st_mtime_ns
    assert fetch(model) == path
    assert path.stat().st_mtime_ns == before
    assert made == ["export"]
    assert [file.name for file in cache.iterdir() if not file.name.endswith(".lock")] == [path.name]


def test_an_export_that_fails_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def export(python: Path, task: str, *, model: str, path: str) -> None:
        Path(path).write_bytes(b"half")
        raise ModelError("out of memory")

    monkeypatch.setattr(worker, "call", export)
    with pytest.raises(ModelError, match="out of memory"):
        fetch(known_models()["sevennet-0"])
    assert [file for file in cache.iterdir() if not file.name.endswith(".lock")] == []


def test_exports_of_different_weights_have_different_names(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    files = [tmp_path / folder / "mine.pth" for folder in "ab"]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]))
    known = known_models()["sevennet-0"]
    exported = [
        known.model_copy(update={"path": file, "sha256": sha256_of(file)}).exported() for file in files
    ]
    assert exported[0] != exported[1]


def test_a_model_that_is_served_is_its_checkpoint(cache: Path) -> None:
    model = known_models()["chgnet-0.3.0"]
    assert fetch(model) == model.checkpoint()
    assert model.pair_coeff() == "chgnet-0.3.0"
    assert not cache.exists()


# ASE calculators


def test_ase_model_of_a_file(emt: str) -> None:
    model = find_model(emt)
    assert (model.name, model.pair_style, model.family) == (emt, "hopkin", "ase")
    assert model.sha256 == sha256_of(Path(emt.split(":")[1]))
    assert fetch(model) == model.path


def test_ase_model_of_a_module() -> None:
    model = find_model("ase:ase.calculators.emt:EMT")
    assert fetch(model) is None
    assert model.state() == State.READY
    copper = bulk("Cu", cubic=True)
    copper.rattle(0.05, seed=1)
    copper.calc = model.module.calculator(model, device="cpu")
    adapter = ASEAdapter(model.module.calculator(model, device="cpu"), model.name)
    said = adapter.evaluate(
        Configuration(
            positions=copper.positions, cell=copper.cell.array, numbers=copper.numbers.astype("int64")
        )
    )
    assert said.energy == pytest.approx(copper.get_potential_energy())
    assert said.forces == pytest.approx(copper.get_forces())
    assert said.virial.trace() == pytest.approx(-copper.get_stress()[:3].sum() * copper.get_volume())


def test_ase_calculator_without_stress(tmp_path: Path) -> None:
    path = tmp_path / "bare.py"
    path.write_text(
        "from ase.calculators.calculator import Calculator\n\n\n"
        "class Bare(Calculator):\n    implemented_properties = ['energy', 'forces']\n"
    )
    model = find_model(f"ase:{path}:Bare")
    with pytest.raises(ModelError, match=r"its calculator gives no stress"):
        ASEAdapter(model.module.calculator(model, device="cpu"), model.name)


# Options after a name


def test_options_are_part_of_the_name(cache: Path) -> None:
    known = known_models()["mace-mp-0-small"]
    model = find_model("mace-mp-0-small:dtype=float64")
    assert model.name == "mace-mp-0-small:dtype=float64"
    assert model.options == {"dtype": "float64"}
    assert model.golden_energy_eV_per_atom == known.golden_energy_eV_per_atom
    assert model.entry == known.name  # the weights are the same


def test_the_route_is_chosen_by_the_name_where_there_are_two() -> None:
    routes = {name: find_model(f"mace-mp-0-small{name}") for name in ("", ":route=service", ":route=native")}
    assert [model.route for model in routes.values()] == ["service", "service", "native"]
    assert [model.pair_style for model in routes.values()] == ["hopkin", "hopkin", "mace"]
    golden = known_models()["mace-mp-0-small"].golden_energy_eV_per_atom
    assert {model.golden_energy_eV_per_atom for model in routes.values()} == {golden}
    with pytest.raises(ModelError, match=r"wanted route=service, mliap, received route=native"):
        find_model("chgnet-0.3.0:route=native")


def test_options_in_another_order_are_the_same_model() -> None:
    first, second = (
        find_model(f"mace-mp-0-small:{options}")
        for options in ("dtype=float64:head=default", "head=default:dtype=float64")
    )
    assert first == second
    assert first.name == "mace-mp-0-small:dtype=float64:head=default"


def test_another_head_has_no_golden_energy() -> None:
    assert find_model("sevennet-mf-0:modal=R2SCAN").golden_energy_eV_per_atom is None
    same = find_model("sevennet-mf-0:modal=PBE")
    assert same.golden_energy_eV_per_atom == known_models()["sevennet-mf-0"].golden_energy_eV_per_atom


def test_options_of_a_users_own_file(tmp_path: Path) -> None:
    known = known_models()["sevennet-mf-0"]
    mine = tmp_path / "a=b.pth"
    shutil.copy(known.checkpoint(), mine)
    model = find_model(f"sevennet:{mine}:modal=R2SCAN")
    assert (model.name, model.path) == (f"sevennet:{mine}:modal=R2SCAN", mine)
    assert model.options == {"modal": "R2SCAN"}


def test_options_go_into_the_files_name() -> None:
    """What LAMMPS reads for one choice is never read for another."""
    names = ("sevennet-mf-0", "sevennet-mf-0:modal=R2SCAN")
    exported = [find_model(name).exported() for name in names]
    assert exported[0] != exported[1]
    assert find_model("sevennet-mf-0:modal=PBE").exported() == exported[0]


def test_options_need_no_quotes_in_a_campaign(tmp_path: Path) -> None:
    names = ("mace-mp-0-small:dtype=float64", "sevennet-mf-0:modal=R2SCAN")
    for listed in (f"[{', '.join(names)}]", "".join(f"\n- {name}" for name in names)):
        (tmp_path / "campaign.yaml").write_text(
            f"name: both\nmodels: {listed}\nbarriers:\n- structures: [LiFePO4-olivine]\n"
        )
        assert load_campaign(tmp_path / "campaign.yaml").models == names


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mace-mp-0-small:modal=PBE", "family mace has no option modal: accepted are dtype, head, route"),
        ("chgnet-0.3.0:dtype=float64", "family chgnet has no option dtype: accepted are route"),
        ("ase:ase.calculators.emt:EMT:dtype=float64", "family ase has no option dtype: accepted are route"),
        ("mace-mp-0-small:dtype=double", "wanted dtype=float32, float64, received dtype=double"),
        ("mace-mp-0-small:head=", "wanted head=the name of a head of the checkpoint, received head="),
        ("mace-mp-0-small:dtype=float64:dtype=float32", "its option dtype is given twice"),
        ("mace-mp:dtype=float64", "unknown model 'mace-mp': did you mean mace-mp"),
    ],
)
def test_options_that_are_not_accepted(name: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        find_model(name)


def test_a_modal_that_the_checkpoint_does_not_have(cache: Path) -> None:
    with pytest.raises(ModelError, match=r"this checkpoint has no modal PBEsol: it has R2SCAN, PBE"):
        fetch(find_model("sevennet-mf-0:modal=PBEsol"))


@pytest.mark.parametrize(
    ("options", "available", "default", "said"),
    [
        ({"head": "pbe"}, ["pbe", "omat"], None, "pbe"),
        ({}, ["pbe", "omat"], "omat", "omat"),
        ({}, [], None, None),
        ({"head": "pbe"}, [], None, ModelError("this checkpoint has no head pbe: it has none")),
        (
            *({}, ["pbe", "omat"], None),
            ModelError("this checkpoint wants a head after its name, as in NAME:head=pbe: it has pbe, omat"),
        ),
    ],
)
def test_choice_that_a_checkpoint_leaves(
    options: dict[str, str], available: list[str], default: str | None, said: str | ModelError | None
) -> None:
    from hopkin.drivers.models.adapters.checkpoint import choose

    if isinstance(said, ModelError):
        with pytest.raises(ModelError, match=f"^{said}$"):
            choose(options, "head", available, default=default)
    else:
        assert choose(options, "head", available, default=default) == said
