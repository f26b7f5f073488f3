"""What the stand-ins share: the protocol of a Pulumi resource provider, and what the Terraform bridge adds to it."""
