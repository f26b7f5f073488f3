"""Fleets in Azure: what the suite for every cloud needs of it, and what only this cloud has.

The package is not called `azure`, as the libraries of Azure's are.
"""
