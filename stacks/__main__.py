"""The program that `pulumi up` runs."""

from daskfleet_stacks.deploy import deploy

deploy()
