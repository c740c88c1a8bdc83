"""`pair_style mace` says what MACE's own calculator says, and takes nothing for a MACE model that is none."""

from collections.abc import Callable
from pathlib import Path

import ase
import numpy as np
import pytest
import tolerances
import torch
from conftest import CRYSTALS, MaceReference
from in_process import LammpsInProcess, PairStyle

from hopkin.drivers.crystals.structures import lammps_orientation
from hopkin.drivers.workflows.parity import rattled

DECK = """
clear
units metal
region box block 0 9 0 9 0 9
create_box 1 box
create_atoms 1 single 0 0 0
create_atoms 1 single 2.5 0 0
mass 1 6.94
"""


@pytest.fixture(params=["small_mace", "published_mace"])
def mace(request: pytest.FixtureRequest) -> MaceReference:
    found: MaceReference = request.getfixturevalue(request.param)
    return found


def refusal(lammps: LammpsInProcess, commands: str) -> str:
    with pytest.raises(Exception, match=r"^ERROR") as caught:
        lammps.commands(commands)
    return str(caught.value).splitlines()[0].split(": ", 1)[1].rsplit(" (", 1)[0]


@pytest.mark.parametrize("crystal", CRYSTALS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_own_calculator(mace: MaceReference, lammps: LammpsInProcess, crystal: str, dtype: str) -> None:
    """In single precision to the tolerances of all models, in double to those of the arithmetic."""
    atoms = rattled(lammps_orientation(CRYSTALS[crystal]()))
    said = mace.says(crystal, dtype)
    lammps.load(atoms, mace.pair(dtype))
    lammps.commands("compute atomic all pe/atom\ncompute total all reduce sum c_atomic")
    lammps.commands("thermo_style custom step pe pxx pyy pzz pyz pxz pxy c_total")
    state = lammps.run()
    energy, force, stress = (
        (tolerances.ENERGY_EV_PER_ATOM, tolerances.FORCE_EV_PER_A, tolerances.STRESS_EV_PER_A3)
        if dtype == "float32"
        else (tolerances.DOUBLE_EV, tolerances.DOUBLE_EV_PER_A, tolerances.DOUBLE_EV_PER_A3)
    )
    assert state.energy == pytest.approx(float(said["energy"]), rel=0, abs=len(atoms) * energy)
    np.testing.assert_allclose(state.forces, said["forces"], rtol=0, atol=force)
    np.testing.assert_allclose(state.stress, said["stress"], rtol=0, atol=stress)
    np.testing.assert_allclose(lammps.own_compute("atomic"), said["atomic_energies"], rtol=0, atol=energy)
    assert np.abs(said["forces"]).max() > 300 * tolerances.FORCE_EV_PER_A
    assert np.abs(said["stress"]).max() > 10 * tolerances.STRESS_EV_PER_A3


def test_atoms_without_neighbors(double_mace: PairStyle, lammps: LammpsInProcess) -> None:
    """Beyond the cutoff only the energies of single atoms are left."""
    atoms = ase.Atoms("LiS", positions=[[1.0, 2.0, 3.0], [10.0, 2.0, 3.0]], cell=[20.0] * 3, pbc=True)
    apart = lammps.evaluate(atoms, double_mace)
    alone = [lammps.evaluate(atoms[[i]], double_mace).energy for i in range(2)]
    assert apart.energy == pytest.approx(sum(alone), rel=0, abs=tolerances.DOUBLE_EV)
    np.testing.assert_array_equal(apart.forces, 0.0)


def test_no_domain_decomposition(litis2: ase.Atoms, double_mace: PairStyle, lammps: LammpsInProcess) -> None:
    """Upstream's option for one rank changes nothing: one rank has no other way."""
    base = lammps.evaluate(litis2, double_mace)
    lammps.load(litis2, None)
    lammps.commands(f"pair_style mace no_domain_decomposition\npair_coeff * * {double_mace.model} Li Ti S")
    assert lammps.run().energy == base.energy


def test_unknown_option(lammps: LammpsInProcess) -> None:
    said = refusal(lammps, f"{DECK}pair_style mace domain_decomposition")
    assert (
        said == "pair_style mace takes no argument or no_domain_decomposition, received domain_decomposition"
    )


def test_two_options(lammps: LammpsInProcess) -> None:
    said = refusal(lammps, f"{DECK}pair_style mace no_domain_decomposition 1")
    assert said == "pair_style mace takes one argument at most, received 2"


def test_unknown_element(double_mace: PairStyle, lammps: LammpsInProcess) -> None:
    said = refusal(lammps, f"{DECK}pair_style mace\npair_coeff * * {double_mace.model} Rn")
    assert said == (
        f"pair_style mace: model '{double_mace.model}' does not cover element 'Rn'"
        " (it covers 11: He Li O Na P S Ti Fe Co Cu Ge)"
    )


def _truncated(directory: Path, complete: Path) -> Path:
    (directory / "truncated.pt").write_bytes(complete.read_bytes()[:-1024])
    return directory / "truncated.pt"


def _checkpoint(_directory: Path, complete: Path) -> Path:
    return complete.with_name("made.model")


@pytest.mark.parametrize("make", [_truncated, _checkpoint], ids=lambda f: f.__name__[1:])
def test_damaged_file(
    double_mace: PairStyle, lammps: LammpsInProcess, tmp_path: Path, make: Callable[[Path, Path], Path]
) -> None:
    file = make(tmp_path, Path(double_mace.model))
    said = refusal(lammps, f"{DECK}pair_style mace\npair_coeff * * {file} Li")
    assert said == (
        f"pair_style mace: '{file}' is not a TorchScript model, or is damaged: export one with"
        " `mace_create_lammps_model` or `hopkin models fetch`"
    )


def test_file_of_sevennet(torchscript_sevennet: PairStyle, lammps: LammpsInProcess) -> None:
    said = refusal(lammps, f"{DECK}pair_style mace\npair_coeff * * {torchscript_sevennet.model} Li")
    assert said == (
        f"pair_style mace: '{torchscript_sevennet.model}' is a TorchScript file of another family (model_type"
        " 'E3_equivariant_model'), wanted LAMMPS_MACE as `mace_create_lammps_model` writes it"
    )


def test_file_of_mace_for_sevennet(double_mace: PairStyle, lammps: LammpsInProcess) -> None:
    said = refusal(lammps, f"{DECK}pair_style e3gnn\npair_coeff * * {double_mace.model} Li")
    assert "is a TorchScript file of another family" in said


class Network(torch.nn.Module):
    """What `pair_style mace` calls, with a fault in it."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.weight = torch.nn.Parameter(torch.ones(4))

    def forward(
        self,
        data: dict[str, torch.Tensor],
        training: bool = False,
        compute_force: bool = True,
        compute_virials: bool = False,
        compute_stress: bool = False,
        compute_displacement: bool = False,
    ) -> dict[str, torch.Tensor]:
        assert not training
        assert not compute_force
        assert not compute_virials
        assert not compute_stress
        assert not compute_displacement
        if self.fault == "more memory than any machine has":
            return {"node_energy": torch.zeros([1 << 50])}
        if self.fault == "fake of a full GPU":  # what TorchScript passes on
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 7.79 GiB")
        return {"node_energy": data["shifts"] + self.weight}


class Faulty(torch.nn.Module):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.model = Network(fault)
        for name, value in (("atomic_numbers", [3]), ("r_max", 4.0), ("num_interactions", 2)):
            self.register_buffer(name, torch.tensor(value))

    def forward(self, data: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return self.model(data)


def test_model_that_fails(lammps: LammpsInProcess, tmp_path: Path) -> None:
    """What goes wrong within libtorch is said in one sentence, without its stacks."""
    torch.jit.script(Faulty("wrong shape")).save(str(tmp_path / "faulty.pt"))
    deck = f"{DECK}pair_style mace\npair_coeff * * {tmp_path}/faulty.pt Li\nrun 0"
    with pytest.raises(Exception, match=r"^ERROR") as caught:
        lammps.commands(deck)
    said = str(caught.value)
    assert "pair_style mace: the model failed: " in said
    assert "The size of tensor a (3) must match the size of tensor b (4)" in said
    assert "Traceback" not in said
    assert "frame #" not in said


@pytest.mark.parametrize("fault", ["more memory than any machine has", "fake of a full GPU"])
def test_memory_that_does_not_suffice(lammps: LammpsInProcess, tmp_path: Path, fault: str) -> None:
    torch.jit.script(Faulty(fault)).save(str(tmp_path / "large.pt"))
    said = refusal(lammps, f"{DECK}pair_style mace\npair_coeff * * {tmp_path}/large.pt Li\nrun 0")
    assert said.startswith("pair_style mace: not enough memory on ")
    assert said.endswith(
        "take a smaller cell, fewer replicas on this device, or another device (HOPKIN_DEVICE)"
    )


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("gpu", "names no device: wanted cpu, cuda or cuda:1"),
        ("cuda1", "names no device: wanted cpu, cuda or cuda:1"),
        ("cuda:", "names no device: wanted cpu, cuda or cuda:1"),
        ("cuda:99", "but there are "),
    ],
)
def test_device(
    double_mace: PairStyle,
    lammps: LammpsInProcess,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    reason: str,
) -> None:
    monkeypatch.setenv("HOPKIN_DEVICE", device)
    said = refusal(lammps, f"{DECK}pair_style mace\npair_coeff * * {double_mace.model} Li")
    assert said.startswith(f"pair_style mace: HOPKIN_DEVICE={device} {reason}")
    monkeypatch.setenv("HOPKIN_DEVICE", "cpu")
    lammps.commands(f"pair_style mace\npair_coeff * * {double_mace.model} Li\nrun 0 post no")
    assert lammps.lmp.get_thermo("pe") != 0.0
