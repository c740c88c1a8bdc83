"""Drivers of hopkin: structures, hops, models, decks, LAMMPS runs and the command line."""
