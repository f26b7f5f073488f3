"""Fleets over SSH, on hosts with a real sshd."""
