"""From the hops of a crystal to a diffusivity.

`network` is the graph of the sites of an ion, with the rates of its jumps; `diffusion` solves the master
equation on it.
"""
