"""LAMMPS deck templates."""
