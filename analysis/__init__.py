"""Analysis of trajectories and results, by whatever program: it knows nothing of the drivers.

Floors, from the top: `report`, and `mdanalysis`, which lends the kernels to users of MDAnalysis;
`comparison`; `transport`; `trajectories`; `errors`.
"""
