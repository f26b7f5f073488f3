"""`daskfleet schema`."""

from __future__ import annotations

from daskfleet.commands.output import print_json


def schema() -> None:
    """Print the JSON Schema of the fleet file, for editors.

    For example: daskfleet schema > fleet.schema.json, and as the file's first line
    `# yaml-language-server: $schema=fleet.schema.json`.
    """
    from daskfleet_stacks.spec import build_json_schema

    print_json(build_json_schema())
