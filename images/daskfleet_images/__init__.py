"""What runs inside a machine of a fleet: the node runtime and, beside it, what images hold."""
