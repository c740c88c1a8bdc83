"""Analysis of trajectories and paths: MSD, diffusivity, RDF, plots, report."""
