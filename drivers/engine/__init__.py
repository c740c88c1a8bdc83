"""LAMMPS: its decks, its run directories, and the one place that starts it.

`decks` renders the templates of `lammps_inputs/` and reads states back; `program` finds LAMMPS,
`launch` starts it, `failures` says why it failed;
`interpreters` has this hopkin run in other environments; `rundirectory` names, holds and finishes the folder
of a calculation.
"""

from hopkin.drivers.engine.decks import elements_of, is_triclinic, read_state, write_deck, write_structure
from hopkin.drivers.engine.interpreters import environment_of, hopkin_hash, share_hopkin
from hopkin.drivers.engine.launch import (
    ENVIRONMENT,
    HANGS_AFTER_S,
    STARTS_WITHIN_S,
    command,
    end_with_parent,
    lammps_version,
    run_deck,
)
from hopkin.drivers.engine.program import executable
from hopkin.drivers.engine.rundirectory import (
    RunDirectory,
    alone,
    find_run,
    is_locked,
    read_fields,
    read_json,
    say_absent,
    slug,
    write_json,
    writing_to,
)

__all__ = [
    "ENVIRONMENT",
    "HANGS_AFTER_S",
    "STARTS_WITHIN_S",
    "RunDirectory",
    "alone",
    "command",
    "elements_of",
    "end_with_parent",
    "environment_of",
    "executable",
    "find_run",
    "hopkin_hash",
    "is_locked",
    "is_triclinic",
    "lammps_version",
    "read_fields",
    "read_json",
    "read_state",
    "run_deck",
    "say_absent",
    "share_hopkin",
    "slug",
    "write_deck",
    "write_json",
    "write_structure",
    "writing_to",
]
