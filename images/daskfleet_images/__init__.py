"""What runs inside a machine of a fleet: the node runtime and, beside it, what images hold."""

VERSION = "0.1.0"
"""Version of daskfleet. An image holds this package without the distribution's metadata, so it is told here too."""
