"""`python -m daskfleet`."""

from daskfleet.commands.app import main

main()
