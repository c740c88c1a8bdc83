"""Files of any format, read into unwrapped positions with their times, cells and species.

`lines` opens and decompresses; `readers` and `dumps` yield each `frame` as it stands in the file, with the
`elements` of atom types; `refusals` names the files that are none; `frames` collects and unwraps;
`trajectory` is what the kernels take.
"""

from hopkin.analysis.trajectories.arrays import FloatArray, frozen
from hopkin.analysis.trajectories.frame import atomic_masses
from hopkin.analysis.trajectories.frames import unwrap_in_place
from hopkin.analysis.trajectories.trajectory import Trajectory, frame_interval, read_trajectory

__all__ = [
    "FloatArray",
    "Trajectory",
    "atomic_masses",
    "frame_interval",
    "frozen",
    "read_trajectory",
    "unwrap_in_place",
]
