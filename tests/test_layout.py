"""The floors of the house: imports go down, each wing is entered by its face, and there is no circle."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

FLOORS = {
    "hopkin.drivers": [
        {"cli"},
        {"terminal"},
        {"recommendation"},
        {"campaigns"},
        {"workflows"},
        {"bands", "doctor", "kinetics"},
        {"hops", "models"},
        {"crystals", "engine", "specification"},
        {"errors", "lammps_plugins"},
    ],
    "hopkin.analysis": [
        {"mdanalysis", "report"},
        {"comparison"},
        {"calibration", "transport"},
        {"trajectories"},
        {"errors"},
    ],
}
MOST_LINES = 400


def root(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def modules(package: str) -> dict[str, Path]:
    """Every module of a package, by its dotted name."""
    folder = root(package)
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join((package, *(part for part in parts if part != "__init__")))] = path
    return found


MODULES = {package: modules(package) for package in FLOORS}
ALL = MODULES["hopkin.drivers"] | MODULES["hopkin.analysis"]


def room(module: str) -> tuple[str, str]:
    """Package and wing of a module: ("hopkin.drivers", "models")."""
    first, second, *rest = module.split(".")
    return f"{first}.{second}", rest[0] if rest else ""


def imports(path: Path) -> Iterator[str]:
    """Modules of hopkin that a file imports, anywhere in it; for a name of a module, that module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hopkin"):
            assert node.module is not None
            for alias in node.names:
                named = f"{node.module}.{alias.name}"
                yield named if named in ALL else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("hopkin"))


IMPORTS = {name: sorted(set(imports(path))) for name, path in ALL.items()}


@pytest.mark.parametrize("package", FLOORS)
def test_every_room_has_a_floor(package: str) -> None:
    here = {room(name)[1] for name in MODULES[package]} - {""}
    assert here == set().union(*FLOORS[package])


@pytest.mark.parametrize("package", FLOORS)
def test_imports_go_down(package: str) -> None:
    floor = {wing: n for n, wings in enumerate(FLOORS[package]) for wing in wings}
    for name in MODULES[package]:
        for target in IMPORTS[name]:
            there, wing = room(target)
            mine = room(name)[1]
            if there == package and wing != mine and mine:
                assert floor[wing] > floor[mine], f"{name} imports {target}, which is not below it"


def test_the_analysis_knows_nothing_of_the_drivers() -> None:
    for name in MODULES["hopkin.analysis"]:
        assert not [target for target in IMPORTS[name] if target.startswith("hopkin.drivers")], name


def test_a_wing_is_entered_by_its_face() -> None:
    for name, targets in IMPORTS.items():
        for target in targets:
            if room(target) != room(name):
                assert target.count(".") <= 2, f"{name} goes round the face of {target}"


def test_no_module_imports_one_that_imports_it() -> None:
    """The face of a wing is left out within it: rooms name each other, and the face names the rooms."""
    graph = {name: [target for target in targets if target in ALL] for name, targets in IMPORTS.items()}
    TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_a_face_says_what_its_wing_is_responsible_for() -> None:
    for name, path in ALL.items():
        if path.name == "__init__.py":
            said = ast.get_docstring(ast.parse(path.read_text()))
            assert said, name
            assert said.splitlines()[0].endswith("."), name


def test_modules_can_be_read_in_one_sitting() -> None:
    lines = {name: len(path.read_text().splitlines()) for name, path in ALL.items()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_the_plan_of_the_house_shows_every_wing_and_only_files_that_are_there() -> None:
    project = Path(__file__).parents[1]
    plan = (project / "ARCHITECTURE.md").read_text()
    for package, floors in FLOORS.items():
        for wing in set().union(*floors):
            assert re.search(rf"\b{wing}\b", plan), f"{package}.{wing}"
    folders = ("drivers", "analysis", "pair_styles", "tests")
    files = [file for folder in folders for file in (project / folder).rglob("*.*")]
    for name in re.findall(r"`([\w/]+\.(?:py|h|cpp|toml))`", plan):
        assert any(str(file).endswith(f"/{name}") for file in files), name
