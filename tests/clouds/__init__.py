"""Fleets in every cloud from end to end, by one suite: the command line, the real engine, a cloud on this machine.

`Region` is a cloud without machines, for what is about the resources of fleets; `Lab` is one whose machines boot. Each
cloud has a module for either (`aws.region`, `gcp.lab`); tests get them by fixtures, once for each cloud.
"""
