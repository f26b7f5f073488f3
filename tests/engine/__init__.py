"""A real Pulumi engine, and tests that it deploys: programs without a cloud, and the one at the root."""
