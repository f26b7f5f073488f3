"""What daskfleet costs, each figure a ratio against a peer in one run; see README.md."""
