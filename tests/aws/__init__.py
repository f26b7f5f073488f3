"""Fleets in AWS from end to end: the command line, the real engine, a cloud that fits on this machine."""
