"""The kernels as MDAnalysis analysis classes, for any Universe.

>>> msd = MeanSquaredDisplacement(universe.select_atoms("element Li"), wrapped=True).run()
>>> msd.results.lag_times, msd.results.msd

MDAnalysis keeps positions in single precision, and describes a cell by lengths and angles; what it
reads is taken as it is. Its units are A and ps.
"""

from typing import Any

import numpy as np
from MDAnalysis import AtomGroup  # type: ignore[import-untyped]
from MDAnalysis.analysis.base import AnalysisBase  # type: ignore[import-untyped]

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories import FloatArray, Trajectory, frame_interval, unwrap_in_place
from hopkin.analysis.transport import (
    analyze,
    drift,
    radial_distribution,
    single_origin_msd,
    windowed_msd,
    windowed_msd_tensor,
)


class _Frames(AnalysisBase):  # type: ignore[misc]
    """Collects the positions and cells of a group of atoms."""

    def __init__(self, atoms: AtomGroup, *, wrapped: bool, **kwargs: Any) -> None:
        super().__init__(atoms.universe.trajectory, **kwargs)
        self._atoms, self._wrapped = atoms, wrapped

    def _prepare(self) -> None:
        self._positions = np.empty((self.n_frames, len(self._atoms), 3))
        self._cells = np.empty((self.n_frames, 3, 3))

    def _single_frame(self) -> None:
        self._positions[self._frame_index] = self._atoms.positions
        self._cells[self._frame_index] = self._ts.triclinic_dimensions

    def _unwrapped(self) -> FloatArray:
        if self._wrapped:
            unwrap_in_place(self._positions, self._cells)
        return self._positions

    def _species(self) -> list[str]:
        try:
            return [str(element) for element in self._atoms.elements]
        except AttributeError as error:
            raise TrajectoryError(
                "the Universe knows no elements: universe.add_TopologyAttr('elements', ...)"
            ) from error


class MeanSquaredDisplacement(_Frames):
    """Mean squared displacements of a group of atoms.

    Parameters
    ----------
    atoms
        The atoms.
    framework
        Atoms whose centre of mass is held; None: nothing is.
    wrapped
        Whether positions jump at the faces of the cell and are to be made continuous.

    Attributes
    ----------
    results.lag_times
        (n_frames,) lags, from 0 [ps].
    results.msd
        (n_frames,) MSD over all time origins [A^2].
    results.msd_single_origin
        (n_frames,) MSD from the first frame [A^2].
    results.msd_by_atom
        (n_frames, n_atoms) MSD over all time origins [A^2].
    results.msd_tensor
        (n_frames, 3, 3) its parts along each two directions [A^2].
    """

    def __init__(
        self, atoms: AtomGroup, *, framework: AtomGroup | None = None, wrapped: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(atoms if framework is None else atoms + framework, wrapped=wrapped, **kwargs)
        self._n = len(atoms)

    def _conclude(self) -> None:
        positions = self._unwrapped()
        is_framework = np.arange(positions.shape[1]) >= self._n
        if is_framework.any():
            positions -= drift(positions, np.asarray(self._atoms.masses), is_framework)[:, None]
        atoms = positions[:, : self._n]
        self.results.lag_times = self.times - self.times[0]
        frame_interval(self.times)
        self.results.msd_by_atom = windowed_msd(atoms)
        self.results.msd = self.results.msd_by_atom.mean(axis=1)
        self.results.msd_single_origin = single_origin_msd(atoms).mean(axis=1)
        self.results.msd_tensor = windowed_msd_tensor(atoms)


class RadialDistribution(_Frames):
    """Radial distribution functions of every pair of elements, over all periodic images.

    Parameters
    ----------
    atoms
        The atoms, of a Universe that knows their elements.
    r_max, bin_width
        Largest distance, and width of the bins [A].

    Attributes
    ----------
    results.rdf
        A :class:`hopkin.analysis.transport.rdf.RadialDistribution`.
    """

    def __init__(
        self, atoms: AtomGroup, *, r_max: float = 10.0, bin_width: float = 0.05, **kwargs: Any
    ) -> None:
        super().__init__(atoms, wrapped=False, **kwargs)
        self._range = {"r_max": r_max, "bin_width": bin_width}

    def _conclude(self) -> None:
        self.results.rdf = radial_distribution(self._positions, self._cells, self._species(), **self._range)


class IonTransport(_Frames):
    """Diffusivities with their uncertainty, Haven ratio, conductivities: all of :func:`analyze`.

    Parameters
    ----------
    atoms
        All atoms of the crystal, of a Universe that knows their elements.
    ion
        Chemical symbol of the ion.
    wrapped
        Whether positions jump at the faces of the cell and are to be made continuous.
    options
        Keywords of :func:`hopkin.analysis.transport.analyze`, such as ``temperature_K``.

    Attributes
    ----------
    results.transport
        A :class:`hopkin.analysis.transport.result.TransportResult`.
    """

    def __init__(self, atoms: AtomGroup, ion: str, *, wrapped: bool = False, **options: Any) -> None:
        super().__init__(atoms, wrapped=wrapped)
        self._ion, self._options = ion, options

    def _conclude(self) -> None:
        trajectory = Trajectory(
            times_ps=self.times,
            positions=self._unwrapped(),
            cells=self._cells,
            species=np.array(self._species()),
        )
        self.results.transport = analyze(trajectory, self._ion, **self._options)
