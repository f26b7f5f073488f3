"""What exists in a cloud: Pulumi component resources. None is released yet."""
