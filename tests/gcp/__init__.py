"""Fleets in Google Cloud: what the suite for every cloud needs of it, and what only this cloud has."""
