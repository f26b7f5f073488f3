"""The plugin, as Pulumi starts it from this folder."""

from daskfleet_components.plugin import main

main()
