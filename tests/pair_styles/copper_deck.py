"""A deck of two copper atoms with a served model: fields `model` and `steps`."""

DECK = """
units metal
atom_modify map yes
region box block 0 3.9 0 3.9 0 3.9
create_box 1 box
create_atoms 1 single 0 0 0
create_atoms 1 single 2.0 2.1 0.1
mass 1 63.5
pair_style hopkin
pair_coeff * * {model} Cu
fix 1 all nve
velocity all create 300 7
thermo_modify line yaml format float %.15g
run {steps}
"""
