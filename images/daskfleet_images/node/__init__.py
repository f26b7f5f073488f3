"""The node runtime: a node document in, a running Dask scheduler or workers out."""
