"""Tests of the machine image: what is in it, and what boots from it."""
