r"""Ionic conductivities from diffusivities.

.. math::

    \sigma_\text{NE} = \frac{N (z e)^2}{V k_B T} D^*, \qquad
    \sigma = \frac{N (z e)^2}{V k_B T} D_\sigma, \qquad H_R = D^* / D_\sigma ,

with the tracer diffusivity :math:`D^*` of *N* ions of charge *ze* in the volume *V*, and the collective
diffusivity :math:`D_\sigma`, that of the sum of their displacements over :math:`\sqrt N`. Framework
ions move with the framework, whose drift is removed: they carry no current. Murch, Solid State Ionics
7, 177 (1982), doi:10.1016/0167-2738(82)90050-9.
"""

BOLTZMANN_EV_PER_K = 8.617333262e-5
E_PER_A2_TO_S_PER_CM = 1.602176634e-19 * 1.0e24  # e [C] and A^-3 [cm^-3]
CHARGES = {
    "Li": 1,
    "Na": 1,
    "K": 1,
    "Rb": 1,
    "Cs": 1,
    "Ag": 1,
    "Cu": 1,
    "H": 1,
    "Mg": 2,
    "Ca": 2,
    "Zn": 2,
    "Al": 3,
}
CHARGES |= {"F": -1, "Cl": -1, "Br": -1, "I": -1, "O": -2, "S": -2}
"""Formal charges of ions [e]; there are no conductivities of others, such as Fe, of more than one."""


def conductivity(diffusivity: float, *, n_ions: int, charge: int, volume: float, temperature: float) -> float:
    """Conductivity [S/cm] of ions with a diffusivity [cm^2/s], by the Nernst-Einstein relation.

    Parameters
    ----------
    diffusivity
        Tracer diffusivity, or the collective one for the conductivity with correlations [cm^2/s].
    n_ions
        Number of ions in the volume.
    charge
        Charge of an ion [e].
    volume
        Volume [A^3].
    temperature
        Temperature [K].
    """
    density = n_ions * charge**2 / volume
    return density * E_PER_A2_TO_S_PER_CM * diffusivity / (BOLTZMANN_EV_PER_K * temperature)
