"""The stand-in for `pulumi-aws`, over botocore: one module for each service's resource types."""
