"""YAML with the line of each key and value, and with repeated keys reported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from daskfleet_stacks.spec.problems import Path, render_value


class YamlProblem(ValueError):
    """The text is not YAML."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


@dataclass
class LinedDocument:
    """Data with the lines that it came from."""

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    duplicates: list[tuple[Path, int]] = field(default_factory=list)

    def find_line(self, path: Path) -> int | None:
        """The line of `path`, or of the nearest thing around it that is there."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


def load_yaml(text: str) -> LinedDocument:
    """Parse one YAML document.

    Raises:
        YamlProblem: with the line.
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        document = LinedDocument(None)
        if node is not None:
            _note_lines(loader, node, (), document, depth=0)
            document.data = loader.construct_document(node)
        return document
    except YamlProblem:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(part for part in (error.context, error.problem) if part)
        raise YamlProblem(message, mark.line + 1 if mark else None) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlProblem(f"the character {error.character!r} is not allowed", line) from None
    except RecursionError:
        raise YamlProblem("it is nested too deep", 1) from None
    except (yaml.YAMLError, ValueError) as error:
        raise YamlProblem(str(error), 1) from None


_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"

MAX_DEPTH = 20
"""Deeper than any spec; it ends an alias that holds itself."""

MAX_PLACES = 100_000
"""More keys and values than any spec; it ends aliases that multiply."""


def _note_lines(loader: yaml.SafeLoader, node: yaml.Node, path: Path, document: LinedDocument, depth: int) -> None:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if depth > MAX_DEPTH:
        raise YamlProblem(f"it is nested more than {MAX_DEPTH} deep", node.start_mark.line + 1)
    if len(document.lines) > MAX_PLACES:
        raise YamlProblem(f"it holds more than {MAX_PLACES} keys and values", None)
    if isinstance(node, yaml.ScalarNode):
        try:
            loader.construct_object(node)
        except (ValueError, KeyError):  # What PyYAML's own constructors let through: `!!int y`, `!!bool perhaps`.
            kind = node.tag.rsplit(":", 1)[-1]
            line = node.start_mark.line + 1
            raise YamlProblem(f"{render_value(node.value)} cannot be read as {kind}", line) from None
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            _note_lines(loader, child, (*path, index), document, depth + 1)
    elif isinstance(node, yaml.MappingNode):
        for key_node, child in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlProblem("a key is text", key_node.start_mark.line + 1)
            if key_node.tag != _MERGE:
                key_node.tag = _TEXT  # `1:` and `yes:` are keys as they are written.
            key = (*path, str(key_node.value))
            if key in document.lines:
                document.duplicates.append((key, key_node.start_mark.line + 1))
            document.lines[key] = key_node.start_mark.line + 1
            _note_lines(loader, child, key, document, depth + 1)
