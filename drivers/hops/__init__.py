"""Which hops a crystal has, the network they make, and the vacancies at their ends.

`find` lists the distinct hops, by `site_symmetry`, with the room on their way (`bottlenecks`);
`percolation` tells where they lead; `vacancies` builds both ends; `sites` tells whether an end stayed in
its site.
"""

from hopkin.drivers.hops.find import Hop, Sites, find_hops, primitive_sites
from hopkin.drivers.hops.percolation import Bond, Joined, components_of, percolating_barriers
from hopkin.drivers.hops.sites import SEPARATE_SITES_A, strayed
from hopkin.drivers.hops.vacancies import Site, supercell_for, vacancy_endpoints, vacant_sites

__all__ = [
    "SEPARATE_SITES_A",
    "Bond",
    "Hop",
    "Joined",
    "Site",
    "Sites",
    "components_of",
    "find_hops",
    "percolating_barriers",
    "primitive_sites",
    "strayed",
    "supercell_for",
    "vacancy_endpoints",
    "vacant_sites",
]
