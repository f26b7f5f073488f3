"""Pulumi component resources that make a Dask fleet in a cloud: one package for each cloud."""
