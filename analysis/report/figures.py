"""What the figures of a comparison show: their data, from the tables of `collect`.

After Guo, Gui, Wang, "Are Universal Potentials Ready for Alkali-Ion Battery Kinetics?" (2026). The page draws
them, and so does `prints`: both show these numbers.
"""

from collections.abc import Mapping, Sequence

from hopkin.analysis.comparison import Card, Row
from hopkin.analysis.report.barrier_figures import (
    barrier_errors,
    barrier_parity,
    cost,
    failures,
    softening,
    transition_states,
)
from hopkin.analysis.report.dynamics_figures import (
    activation_energies,
    arrhenius,
    dynamics_errors,
    dynamics_parity,
    labels,
    rdf,
)
from hopkin.analysis.report.panels import Figure, Tables


def figures_of(tables: Tables, board: Sequence[Row], cards: Mapping[str, Card]) -> list[Figure]:
    """Make the figures that the tables have numbers for.

    Parameters
    ----------
    board
        of `leaderboard_of`
    cards
        what is known of models, by their names
    """
    found = (
        failures(tables),
        barrier_errors(board),
        barrier_parity(tables, cards),
        dynamics_errors(tables),
        dynamics_parity(tables, "msd", "common_msd_A2", "mean squared displacement (Å²)"),
        dynamics_parity(tables, "diffusivity", "diffusivity_cm2_per_s", "diffusivity (cm²/s)"),
        rdf(tables),
        activation_energies(tables),
        arrhenius(tables),
        labels(tables),
        transition_states(tables),
        softening(board),
        cost(board),
    )
    return [figure for figure in found if any(panel.series for panel in figure.panels)]
