"""Calculations: each renders decks, runs LAMMPS in a run directory, and reads the result back."""
