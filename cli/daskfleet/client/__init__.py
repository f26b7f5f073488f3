"""Files that run in the user's own Python, which need not have daskfleet installed; loaded by path."""
