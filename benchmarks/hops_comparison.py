"""Distinct hops of 200 screened structures, by hopkin, pymatgen-analysis-diffusion and ions, pair by pair.

    pip install --no-deps pymatgen-analysis-diffusion==2026.9.23 ions==0.5.1     # beside pymatgen
    python benchmarks/hops_comparison.py ../shared/data/screening/li_na_structures_1000.jsonl.gz

Each package puts all pairs of ions up to 5 A into classes. Where two packages differ, the pairs in question
are judged by applying every operation of the space group to them, and the difference is given a cause that a
check confirms. Writes benchmarks/results/hops_comparison.csv and .md.
"""

import csv
import gzip
import json
import random
import signal
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import ase
import ase.build
import networkx
import numpy as np
import spglib
from ions.percolator import Percolator
from ions.periodic_graph import PeriodicGraph
from pymatgen.analysis.diffusion.neb.full_path_mapper import MigrationGraph
from pymatgen.io.ase import AseAtomsAdaptor

from hopkin.drivers.crystals.lattices import neighbours
from hopkin.drivers.crystals.structures import load_structure, supercell
from hopkin.drivers.hops.find import Hop, find_hops
from hopkin.drivers.hops.percolation import dimension_of
from hopkin.drivers.hops.site_symmetry import site_symmetry

RESULTS = Path(__file__).parent / "results"
STRUCTURES, SEED = 200, 20260923
LONGEST_A = 5.0
EDGE_A = 0.02  # pairs whose length is this near to the limit are of either side of it
SYMPREC_A = 0.01  # hopkin's, and given to pymatgen; ions has 1e-3 and rounds to it
IONS_SYMPREC_A = 1e-3
TIME_LIMIT_S = 60
INCOMPLETE = (
    "spglib lists fewer operations of this cell than its space group has (hopkin: of the primitive cell)"
)

Pair = tuple[int, int, int, int, int]
Classes = dict[Pair, Any]


def hopkin_classes(atoms: ase.Atoms, ion: str) -> tuple[Classes, tuple[Hop, ...]]:
    """Class of each directed pair ``(i, j, n1, n2, n3)``, and the hops."""
    sites = np.flatnonzero(atoms.symbols == ion)
    symmetry = site_symmetry(atoms, sites, SYMPREC_A)
    hops = find_hops(atoms, ion, LONGEST_A, SYMPREC_A)
    classes = {bond: hop.index for hop in hops for bond in hop.bonds}
    positions = atoms.positions[sites]
    i, j, images, vectors = neighbours(atoms.cell.array, positions, positions, LONGEST_A)
    found = {}
    for n, bond in enumerate(symmetry.primitive_pairs(i, j, vectors)):
        if i[n] != j[n] or images[n].any():
            found[(int(sites[i[n]]), int(sites[j[n]]), *images[n].tolist())] = classes.get(
                bond, classes.get(reverse(bond))
            )
    return found, hops


class Graph(MigrationGraph):
    """Finds the symmetry once, not for each pair."""

    @cached_property
    def symm_structure(self) -> Any:
        return super().symm_structure


def pymatgen_classes(atoms: ase.Atoms, ion: str) -> tuple[Classes, dict[Pair, Any]]:
    """The same, and the hop objects of pymatgen-analysis-diffusion."""
    graph = Graph.with_distance(AseAtomsAdaptor.get_structure(atoms), ion, LONGEST_A, symprec=SYMPREC_A)
    sites = np.flatnonzero(atoms.symbols == ion)
    classes, hops = {}, {}
    for u, v, data in graph.m_graph.graph.edges(data=True):
        pair: Pair = (int(sites[u]), int(sites[v]), *(int(n) for n in data["to_jimage"]))
        for way in (pair, reverse(pair)):
            classes[way], hops[way] = data["hop_label"], data["hop"]
    return classes, hops


def ions_classes(atoms: ase.Atoms, ion: str) -> Classes:
    """The same by `Percolator` with its exact method."""
    percolator = Percolator(atoms, ion, upper_bound=LONGEST_A, symprec=IONS_SYMPREC_A)
    percolator._collect_edges()
    _, _, inverse = percolator._inequivalent_edges(percolator.edges)
    return dict(zip(map(tuple, percolator.edges.tolist()), np.ravel(inverse).tolist(), strict=True))


def reverse(pair: Any) -> Any:
    i, j, n1, n2, n3 = pair
    return (j, i, -n1, -n2, -n3)


class Judge:
    """Whether operations of spglib bring one pair upon another, applied one by one."""

    def __init__(self, atoms: ase.Atoms, symprec: float) -> None:
        self.cell = atoms.cell.array
        self.scaled = np.linalg.solve(self.cell.T, atoms.positions.T).T
        dataset = spglib.get_symmetry_dataset((self.cell, self.scaled, atoms.numbers), symprec=symprec)
        # Near the tolerance spglib lists fewer operations than the space group has that it names, but finds
        # them in the primitive cell: these are taken if they bring every atom upon one of its kind.
        primitive = np.asarray(dataset.primitive_lattice)
        _, first = np.unique(dataset.mapping_to_primitive, return_index=True)
        change = self.cell @ np.linalg.inv(
            primitive
        )  # from a row of coordinates to one in the primitive cell
        scaled = (self.scaled @ change)[first]
        finer = spglib.get_symmetry_dataset((primitive, scaled, atoms.numbers[first]), symprec=symprec)
        listed = np.array([change @ r.T @ np.linalg.inv(change) for r in finer.rotations]).transpose(0, 2, 1)
        self.complete = len(dataset.rotations) * len(first) >= len(finer.rotations) * len(atoms)
        centering = dataset.translations[np.all(dataset.rotations == np.eye(3), axis=(1, 2))]
        shifted = (finer.translations @ np.linalg.inv(change))[:, None] + centering
        self.rotations = np.concatenate([dataset.rotations, np.repeat(listed, len(centering), axis=0)])
        self.translations = np.concatenate([dataset.translations, shifted.reshape(-1, 3)])
        for r, t in zip(finer.rotations, finer.translations, strict=True):
            apart = (scaled @ r.T + t)[:, None] - scaled
            apart = np.linalg.norm((apart - np.rint(apart)) @ primitive, axis=-1)
            apart[atoms.numbers[first][:, None] != atoms.numbers[first]] = np.inf
            if apart.min(axis=1).max() > symprec:
                raise AssertionError("an operation of the primitive cell does not hold")

    def ends(self, pair: Pair) -> np.ndarray:
        return np.array([self.scaled[pair[0]], self.scaled[pair[1]] + pair[2:]])

    def length(self, pair: Pair) -> float:
        start, end = self.ends(pair)
        return float(np.linalg.norm((end - start) @ self.cell))

    def apart(self, a: Pair, b: Pair, *, together: bool = True) -> float:
        """Least distance [A] of the ends of b from those of a moved by an operation, in either direction.

        `together`: a lattice vector moves both ends; otherwise each end and the middle on its own.
        """
        ends = self.ends(a)
        points = np.array([ends[0], ends[1], ends.mean(axis=0)])
        moved = np.einsum("nab,kb->nka", self.rotations, points) + self.translations[:, None]
        best = np.inf
        for target in (self.ends(b), self.ends(b)[::-1]):
            wanted = np.array([target[0], target[1], target.mean(axis=0)])
            difference = moved - wanted
            whole = np.rint(difference[:, :1] if together else difference)
            distance = np.linalg.norm((difference - whole) @ self.cell, axis=-1).max(axis=1)
            best = min(best, float(distance.min()))
        return best


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def timed(classify: Callable[[], Any]) -> tuple[Any, float | str]:
    """What it returns and the processor time [s]; None and the reason where it does not."""
    begin = time.process_time()
    try:
        with at_most(TIME_LIMIT_S):
            found = classify()
    except TimeoutError:
        return None, f"over {TIME_LIMIT_S} s"
    except Exception as error:  # of a package that is not ours
        return None, f"{type(error).__name__}: {error}".replace("\n", " ")[:80]
    return found, round(time.process_time() - begin, 3)


def differences(
    ours: Classes, theirs: Classes, judge: Judge
) -> tuple[Counter[str], list[tuple[str, Pair, Pair]]]:
    """Pairs that one side lacks, and pairs of pairs that one side joins and the other does not."""
    lacking: Counter[str] = Counter()
    for name, side, other in (("theirs lacks pairs", ours, theirs), ("hopkin lacks pairs", theirs, ours)):
        if any(pair not in other and judge.length(pair) < LONGEST_A - EDGE_A for pair in side):
            lacking[name] += 1
    common = [pair for pair in ours if pair in theirs and ours[pair] is not None]
    found = []
    for kind, by, across in (("splits", ours, theirs), ("merges", theirs, ours)):
        groups: dict[Any, dict[Any, Pair]] = defaultdict(dict)
        for pair in common:
            groups[by[pair]].setdefault(across[pair], pair)
        for members in groups.values():
            first, *others = members.values()
            found += [(kind, first, other) for other in others]
    return lacking, found


def cause_pymatgen(kind: str, a: Pair, b: Pair, judge: Judge, hops: dict[Pair, Any]) -> str:
    same = judge.apart(a, b) < 5 * SYMPREC_A
    if kind == "splits":
        if not same:
            return "HOPKIN WRONG: joins what no operation joins"
        if not judge.complete:
            return INCOMPLETE
        if abs(judge.length(a) - judge.length(b)) > 1e-3:
            return "lengths differ by more than its 0.001 A, within symprec"
        if hops[a] != hops[b]:
            return "its test of fractional coordinates is stricter than symprec"
        return "its groups are not transitive (generic_groupby)"
    if same and not judge.complete:
        return INCOMPLETE
    if same:
        return "HOPKIN WRONG: splits what an operation joins"
    if hops[a] == hops[b]:
        if judge.apart(a, b, together=False) < 10 * SYMPREC_A:
            return "merges inequivalent hops: each end is compared modulo lattice vectors of its own"
        return "merges inequivalent hops: its tolerance is 0.01 of the cell"
    return "merges inequivalent hops: labels used twice (generic_groupby)"


def cause_ions(kind: str, a: Pair, b: Pair, judge: Judge, finer: Judge) -> str:
    same, same_finer = judge.apart(a, b) < 5 * SYMPREC_A, finer.apart(a, b) < 5 * IONS_SYMPREC_A
    if kind == "splits":
        if not same:
            return "HOPKIN WRONG: joins what no operation joins"
        if not judge.complete:
            return INCOMPLETE
        if not same_finer:
            return "symprec: equivalent within 0.01 A, not within its 0.001 A"
        return "splits equivalent hops: rounded coordinates differ (0.9996 and 0.0004, 0.12349 and 0.12351)"
    if same:
        return "HOPKIN WRONG: splits what an operation joins"
    return "merges hops whose rounded coordinates are the same" if finer.apart(a, b) < 0.05 else "UNEXPLAINED"


def cause_dimension(edges: np.ndarray, dimension: int) -> str:
    """Why `PeriodicGraph` finds another dimension."""
    part = networkx.node_connected_component(networkx.Graph(edges[:, :2].tolist()), int(edges[:, 0].min()))
    if dimension == dimension_of(edge for edge in map(tuple, edges.tolist()) if edge[0] in part):
        return "dimension of the part that holds the first site only"
    return "UNEXPLAINED dimension"


def compare(row: dict[str, Any]) -> dict[str, Any] | None:
    """A row of the table; None where no two ions are near each other."""
    atoms = ase.Atoms(
        row["s"],
        scaled_positions=np.reshape(row["x"], (-1, 3)),
        cell=ase.cell.Cell.fromcellpar(row["cell"]),
        pbc=True,
    )
    ion = next(alkali for alkali in ("Li", "Na") if alkali in row["s"])
    begin = time.process_time()
    ours, found_hops = hopkin_classes(atoms, ion)
    if not ours:
        return None
    record = {
        "id": row["id"],
        "formula": row["f"],
        "ion": ion,
        "atoms": len(atoms),
        "sites": int(np.sum(atoms.symbols == ion)),
        "pairs": len(ours) // 2,
        "hops": len(found_hops),
        "through_ion": sum(hop.through_ion for hop in found_hops),
        "dimension": dimension_of(bond for hop in found_hops for bond in hop.bonds),
        "hopkin_s": round(time.process_time() - begin, 3),
    }
    judge, finer = Judge(atoms, SYMPREC_A), Judge(atoms, IONS_SYMPREC_A)
    theirs, spent = timed(lambda: pymatgen_classes(atoms, ion))
    record |= {"pymatgen_s": spent, "pymatgen_hops": None, "pymatgen": ""}
    if theirs is not None:
        classes, hops = theirs
        lacking, found = differences(ours, classes, judge)
        causes = {cause_pymatgen(*difference, judge, hops) for difference in found} | set(lacking)
        record |= {
            "pymatgen_hops": len(set(classes.values())),
            "pymatgen": "; ".join(sorted(causes)) or "agrees",
        }
    theirs, spent = timed(lambda: ions_classes(atoms, ion))
    record |= {"ions_s": spent, "ions_hops": None, "ions_dimension": None, "ions": ""}
    if theirs is not None:
        lacking, found = differences(ours, theirs, judge)
        causes = {cause_ions(*difference, judge, finer) for difference in found} | set(lacking)
        record |= {"ions_hops": len(set(theirs.values())), "ions": "; ".join(sorted(causes)) or "agrees"}
        edges = np.array(list(theirs))
        dimension = PeriodicGraph(edges[:, 0], edges[:, 1], edges[:, 2:]).find_periodicity()[0]
        record |= {"ions_dimension": dimension}
        if dimension != record["dimension"]:
            record["ions"] += "; " + cause_dimension(edges, dimension)
    return record


def large_cells_with_symmetry() -> Iterator[tuple[str, ase.Atoms]]:
    yield "Li7P3S11, 3x2x2", supercell(load_structure("Li7P3S11").atoms, (3, 2, 2))
    yield "LiF, 4x4x4", ase.build.bulk("LiF", "rocksalt", a=4.03, cubic=True).repeat((4, 4, 4))


def large_cells() -> Iterator[tuple[str, ase.Atoms]]:
    """Cells of about 500 atoms: supercells, and what is left of them without symmetry."""
    yield from large_cells_with_symmetry()
    for name, atoms in large_cells_with_symmetry():
        atoms.positions += np.random.default_rng(SEED).normal(0.0, 0.1, atoms.positions.shape)
        yield f"{name}, all atoms moved by 0.1 A: P1", atoms


def main() -> None:
    warnings.simplefilter("ignore")
    with gzip.open(sys.argv[1], "rt") as file:
        rows = [json.loads(line) for line in file]
    random.Random(SEED).shuffle(rows)
    RESULTS.mkdir(exist_ok=True)
    records = []
    for row in rows:
        record = compare(row)
        if record is None:
            continue
        records.append(record)
        print(len(records), *record.values(), flush=True)
        if len(records) == STRUCTURES:
            break
    with (RESULTS / "hops_comparison.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    pairs, hops = (sum(r[name] for r in records) for name in ("pairs", "hops"))
    lines = [
        "# Distinct hops, compared",
        "",
        "`python benchmarks/hops_comparison.py ../shared/data/screening/li_na_structures_1000.jsonl.gz`:",
        f"{STRUCTURES} structures with ions within {LONGEST_A:g} A of each other (seed {SEED}); {pairs}",
        f"pairs in {hops} hops, of which {sum(r['through_ion'] for r in records)} lead through a third ion.",
        "A structure may have several causes.",
    ]
    for package in ("pymatgen", "ions"):
        count = Counter(
            cause for r in records for cause in (r[package] or f"no result: {r[package + '_s']}").split("; ")
        )
        title = {"pymatgen": "pymatgen-analysis-diffusion 2026.9.23", "ions": "ions 0.5.1 (symop)"}[package]
        lines += ["", f"| {title} | structures |", "|---|---|"]
        lines += [f"| {cause} | {number} |" for cause, number in count.most_common()]
        both = [r for r in records if isinstance(r[package + "_s"], float)]
        theirs, ours = sum(r[package + "_s"] for r in both), sum(r["hopkin_s"] for r in both)
        lines += ["", f"Processor time on these {len(both)}: {theirs:.0f} s; hopkin {ours:.1f} s."]
    lines += ["", "| 500 atoms, hops up to 5 A | atoms | hops | s |", "|---|---|---|---|"]
    for name, atoms in large_cells():
        begin = time.process_time()
        hops = find_hops(atoms)
        lines.append(f"| {name} | {len(atoms)} | {len(hops)} | {time.process_time() - begin:.2f} |")
    (RESULTS / "hops_comparison.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
