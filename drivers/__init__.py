"""Drivers of hopkin: from a structure and a model's name to LAMMPS runs and their results.

Floors, from the top; imports go down, and each wing is entered by its face: `cli`; `terminal`; `campaigns`;
`workflows`; `bands` and `doctor`; `hops` and `models`; `crystals`, `engine` and `specification`; `errors`.
"""
