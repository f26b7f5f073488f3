"""What MkDocs fills in when it builds the site, so that no page can be older than the code.

A page of its own for each command, from the typer app. In the other pages, a line `<!-- generated: NAME -->` is
replaced by what the function `render_NAME` says: the fields of the fleet file, the errors of a bad one, the
dependencies, the figures of the benchmarks, the changelog.
"""

from __future__ import annotations

import ast
import html
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel

from daskfleet.commands.app import SECTIONS, app
from daskfleet_stacks.spec import SpecError, build_json_schema, parse_fleet_yaml
from daskfleet_stacks.spec.read import PROVIDERS

DOCS = Path(__file__).parent
ROOT = DOCS.parent
RESULTS = ROOT / "benchmarks" / "results"

MARKER = re.compile(r"^<!-- generated: ([a-z_]+) -->$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each command."""
    for name, text in render_command_pages().items():
        files.append(File.generated(config, f"commands/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Fill in what a page leaves to the code."""

    def fill(match: re.Match[str]) -> str:
        if match[1] not in PARTS:
            raise PluginError(f"{page.file.src_uri}: nothing renders {match[1]!r}")
        return PARTS[match[1]]()

    return MARKER.sub(fill, markdown)


# Commands


def render_command_pages() -> dict[str, str]:
    """The page of each command, by its file's name, with the hand-written notes that go with it."""
    group = _get_group()
    commands = _flatten(group)
    notes = {path.stem for path in (DOCS / "commands" / "_notes").glob("*.md")}
    if notes != commands.keys():
        raise PluginError(f"commands and docs/commands/_notes differ: {sorted(notes ^ commands.keys())}")
    root = group.context_class(group, info_name="daskfleet", **group.context_settings)
    return {name: _render_command(name, command, root) for name, command in commands.items()}


def _flatten(group: Any) -> dict[str, Any]:
    """The commands by the names of their files: `image-build` for `daskfleet image build`."""
    found = {}
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= {name: command} if inner is None else {f"{name}-{each}": inner[each] for each in inner}
    return found


def _get_group() -> Any:
    return typer.main.get_command(app)


def _render_command(name: str, command: Any, root: Any) -> str:
    words = name.replace("-", " ")
    context = command.context_class(command, info_name=words, parent=root)
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"# daskfleet {words}", _render_help(command.help), f"```text\ndaskfleet {words} {usage}\n```"]
    parameters = command.get_params(context)
    for title, kind in (("Arguments", "argument"), ("Options", "option")):
        chosen = [each for each in parameters if each.param_type_name == kind]
        records = [record for each in chosen if (record := each.get_help_record(context))]
        if records:
            rows = [f"| {_render_words(words)} | {_escape_cell(text)} |" for words, text in records]
            parts += [f"## {title}", "\n".join((f"| {title[:-1]} | Meaning |", "| --- | --- |", *rows))]
    notes = (DOCS / "commands" / "_notes" / f"{name}.md").read_text(encoding="utf-8")
    return "\n\n".join([*parts, notes])


def _render_help(text: str) -> str:
    # click's marks for paragraphs that must not be wrapped mean nothing here.
    return text.replace("\b\n", "").strip()


def _render_words(text: str) -> str:
    # Not with backticks: a table's cell would end at the bar in [FILE|NAME], and show a backslash before it.
    return f"<code>{html.escape(text).replace('|', '&#124;')}</code>"


def _escape_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def render_commands() -> str:
    """All commands in a table, in the sections of `daskfleet --help`."""
    commands = _flatten(_get_group())
    lines = ["| Command | What it does |", "| --- | --- |"]
    for title, names in SECTIONS.items():
        lines.append(f"| **{title}** | |")
        pages = [page for name in names for page in commands if page == name or page.startswith(f"{name}-")]
        for page in pages:
            lines.append(f"| [`{page.replace('-', ' ')}`]({page}.md) | {_escape_cell(_summarise(commands[page]))} |")
    return "\n".join(lines)


def _summarise(command: Any) -> str:
    summary: str = command.help.strip().split("\n\n")[0].replace("\n", " ")
    return summary


# The fleet file


def render_fields() -> str:
    """The keys of the fleet file of each provider: one table for each mapping in it."""
    definitions = build_json_schema()["$defs"]
    parts = []
    for provider, model in PROVIDERS.items():
        parts.append(f"### The fleet (`provider: {provider}`)")
        for title, mapping in _iterate_models(model):
            schema = definitions[mapping.__name__]["properties"]
            if title:
                parts.append(f"### `{title}`")
            parts.append((mapping.__doc__ or "").strip())
            rows = [_render_field(name, field, schema[name]) for name, field in mapping.model_fields.items()]
            parts.append("\n".join(("| Key | Value | Default | Meaning |", "| --- | --- | --- | --- |", *rows)))
    return "\n\n".join(parts)


def _iterate_models(model: type[BaseModel], title: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    yield title, model
    for name, field in model.model_fields.items():
        for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if get_origin(candidate) is Annotated:
                candidate = get_args(candidate)[0]
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                is_list = candidate is not field.annotation
                yield from _iterate_models(candidate, f"{title}{'.' if title else ''}{name}{'[]' if is_list else ''}")


def _render_field(name: str, field: Any, schema: dict[str, Any]) -> str:
    required = field.is_required() or name == "provider"
    default = "required" if required else _render_default(field)
    meaning = _escape_cell(schema.get("description", field.description or ""))
    return f"| `{name}` | {_escape_cell(_render_kind(schema))} | {default} | {meaning} |"


def _render_default(field: Any) -> str:
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        return "all its defaults"
    if isinstance(default, tuple):
        default = [each.model_dump(exclude_defaults=True) if isinstance(each, BaseModel) else each for each in default]
    text = yaml.safe_dump(default, default_flow_style=True).replace("...", "").strip()
    return f"`{text}`"


def _render_kind(schema: dict[str, Any]) -> str:
    """What a value may be, in words, from its JSON Schema."""
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return ", or ".join(_render_kind(each) for each in schema["anyOf"])
    if "$ref" in schema or "allOf" in schema:
        return "a mapping, below"
    kind = schema.get("type")
    if kind == "integer":
        low, high = schema.get("minimum"), schema.get("maximum")
        bounds = f" from {low} to {high}" if high is not None else f" from {low}" if low is not None else ""
        return f"a whole number{bounds}"
    if kind == "array":
        least = f", at least {schema['minItems']}" if schema.get("minItems") else ""
        items = _render_kind(schema["items"])
        return f"a list{least}{'' if items == 'a mapping, below' else f'; {items}'}"
    if kind == "object":
        return "a mapping of names to numbers above 0" if _maps_to_numbers(schema) else "a mapping of names to text"
    if kind == "boolean":
        return "`true` or `false`"
    if kind == "null":
        return "nothing"
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"])
    if "pattern" in schema and "maxLength" in schema:
        return f"a name, at most {schema['maxLength']} characters, `{schema['pattern']}`"
    examples = " or ".join(f"`{example}`" for example in schema.get("examples", []))
    return f"text such as {examples}" if examples else "text"


def _maps_to_numbers(schema: dict[str, Any]) -> bool:
    values = schema.get("additionalProperties")
    return isinstance(values, dict) and values.get("type") == "number"


def render_unsupported() -> str:
    """Which keys of the common vocabulary each provider refuses, and why."""
    rows = ["| Provider | Key | Why, and what to do |", "| --- | --- | --- |"]
    for provider, model in PROVIDERS.items():
        rows += [f"| `{provider}` | `{path}` | {_escape_cell(why)} |" for path, why in model.UNSUPPORTED.items()]
    return "\n".join(rows)


def render_providers() -> str:
    """Where a fleet can be."""
    summaries = {name: (model.__doc__ or "").splitlines()[0] for name, model in PROVIDERS.items()}
    rows = [f"| `{name}` | {_escape_cell(summary)} |" for name, summary in summaries.items()]
    return "\n".join(("| Provider | What it is |", "| --- | --- |", *rows))


def render_example_file() -> str:
    """A fleet file that this version accepts."""
    return _render_file("fleet.yaml")


def render_ssh_file() -> str:
    """Another, of a fleet over SSH."""
    return _render_file("ssh.yaml")


def _render_file(name: str) -> str:
    text = (DOCS / "_data" / name).read_text(encoding="utf-8")
    parse_fleet_yaml(text, f"docs/_data/{name}")
    return f"```yaml\n{text.strip()}\n```"


def render_bad_file() -> str:
    """A fleet file that this version refuses, and what it says of it."""
    text = (DOCS / "_data" / "bad.yaml").read_text(encoding="utf-8")
    try:
        parse_fleet_yaml(text, "fleet.yaml")
    except SpecError as error:
        head = f"error: {len(error.problems)} problems in fleet.yaml, nothing was changed"
        said = f"$ daskfleet up fleet.yaml\n{head}\n{error}"
        return f'```yaml linenums="1"\n{text.strip()}\n```\n\n```{{.console .wrap}}\n{said}\n```'
    raise PluginError("docs/_data/bad.yaml is valid")


# The project


def render_dependencies() -> str:
    """Each dependency of the distribution, and why it is one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[^A-Za-z0-9_-]", each, maxsplit=1)[0]: each for each in project["dependencies"]}
    reasons = yaml.safe_load((DOCS / "_data" / "dependencies.yaml").read_text(encoding="utf-8"))
    if names.keys() != reasons.keys():
        raise PluginError(f"docs/_data/dependencies.yaml and pyproject.toml: {sorted(names.keys() ^ reasons.keys())}")
    rows = [f"| `{names[name]}` | {_escape_cell(reasons[name])} |" for name in names]
    return "\n".join(("| Dependency | Why |", "| --- | --- |", *rows))


def render_aws_policy() -> str:
    """What the credentials of whoever makes fleets in AWS must allow."""
    text = (DOCS / "_data" / "aws-policy.json").read_text(encoding="utf-8")
    return f"```json\n{text.strip()}\n```"


def render_gcp_permissions() -> str:
    """What the credentials of whoever makes fleets in Google Cloud must allow, by what it is about."""
    permissions = json.loads((DOCS / "_data" / "gcp-permissions.json").read_text(encoding="utf-8"))
    by_kind: dict[str, list[str]] = {}
    for permission in permissions:
        kind, _, verb = permission.rpartition(".")
        by_kind.setdefault(kind, []).append(verb)
    rows = (f"| `{kind}.` | {', '.join(f'`{verb}`' for verb in verbs)} |" for kind, verbs in by_kind.items())
    return "\n".join(("| Permissions | |", "| --- | --- |", *rows))


def render_azure_role() -> str:
    """The role of whoever makes fleets in Azure."""
    text = (DOCS / "_data" / "azure-role.json").read_text(encoding="utf-8")
    return f"```json\n{text.strip()}\n```"


def render_clouds() -> str:
    """The tests that every cloud must pass, and which clouds are asked."""
    clouds = _read_names(ROOT / "tests/clouds/conftest.py", "CLOUDS")
    marks = " | ".join("✓" for _ in clouds)
    rows = [f"| | {' | '.join(clouds)} |", f"| --- |{' :-: |' * len(clouds)}"]
    for file in sorted((ROOT / "tests/clouds").glob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
        rows.append(f"| **{(ast.get_docstring(tree) or file.stem).splitlines()[0].rstrip('.')}** |{' |' * len(clouds)}")
        rows += [f"| {name.removeprefix('test_').replace('_', ' ')} | {marks} |" for name in names]
    return "\n".join(rows)


def _read_names(file: Path, variable: str) -> list[str]:
    """The keys of a dictionary that a file makes, without running it."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and node.targets[0].id == variable:
            return [key.value for key in node.value.keys]
    raise LookupError(variable)


def render_changelog() -> str:
    """The project's changelog, without its title."""
    path = ROOT / "CHANGELOG.md"
    if not path.is_file():
        return "Nothing has been released yet."
    return re.sub(r"\A# .*\n", "", path.read_text(encoding="utf-8"))


# Benchmarks


def render_benchmarks() -> str:
    """Every figure in `benchmarks/results`, with its drawing."""
    results = [json.loads(path.read_text(encoding="utf-8")) | {"_stem": path.stem} for path in _find_results()]
    if not results:
        return "Not measured yet."
    return "\n\n".join(part for result in results for part in _render_result(result))


def _find_results() -> list[Path]:
    order = (
        "startup",
        "up",
        "tasks",
        "shuffle",
        "boot",
        "ssh",
        "ssh-tunnel",
        "aws",
        "aws-plan",
        "aws-connect",
        "clouds",
    )
    paths = RESULTS.glob("*.json") if RESULTS.is_dir() else ()
    return sorted(paths, key=lambda path: (order.index(path.stem) if path.stem in order else len(order), path.stem))


def _render_result(result: dict[str, Any]) -> Iterator[str]:
    yield f"## {result['title']}"
    if (DOCS / "figures" / f"{result['_stem']}.svg").is_file():
        yield f"![{result['title']}: each sample and the medians](figures/{result['_stem']}.svg)"
    for case in result["cases"]:
        counts = case.get("counts", {})
        kinds = list(dict.fromkeys(kind for each in counts.values() for kind in each))
        rows = [
            " | ".join((f"| {_code(name)}", f"{seconds:.3g} s", *_render_counts(counts.get(name, {}), kinds))) + " |"
            for name, seconds in case["medians"].items()
        ]
        head = " | ".join((f"| {case['name']}", "median", *kinds)) + " |"
        yield "\n".join((head, f"| --- |{' ---: |' * (1 + len(kinds))}", *rows))
        rows = [
            f"| {_code(each['subject'])} against {_code(each['peer'])} | {each['of']} | {each['ratio']:.2f} | "
            f"{each['quartiles'][0]:.2f} to {each['quartiles'][1]:.2f} | {_render_verdict(each)} |"
            for each in case["comparisons"]
        ]
        if rows:
            head = "| Ratio of medians | of | ratio | quartiles of the rounds | target |"
            yield "\n".join((head, "| --- | --- | ---: | ---: | --- |", *rows))
    rows = [f"| {each['name']} | {each['value']:,g} | {_render_verdict(each)} |" for each in result["checks"]]
    if rows:
        yield "\n".join(("| Count | | target |", "| --- | ---: | --- |", *rows))
    settings = {name: value for name, value in result["settings"].items() if isinstance(value, str | int | float)}
    if settings:
        yield "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in settings.items())
    yield f"<small>{_render_machine(result['machine'])}</small>"


def _render_counts(counts: dict[str, float], kinds: list[str]) -> list[str]:
    return [f"{counts[kind]:,g}" if kind in counts else "" for kind in kinds]


def _code(name: str) -> str:
    return f"`{_escape_cell(name)}`"


def _render_verdict(figure: dict[str, Any]) -> str:
    target = figure["target"]
    if target is None:
        return "none"
    words = f"at most {target['at_most']:g}" if target["at_most"] is not None else f"at least {target['at_least']:g}"
    return f"{words}: {'met' if figure['met'] else '**missed**'}"


def _render_machine(machine: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"{machine['date'][:10]}, {machine['system']}, {machine['cpus']} cores ({machine['processor']}), "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB; Python {machine['python']}, {packages}; "
        f"load before: {machine['load_before'][0]:g}."
    )


PARTS: dict[str, Callable[[], str]] = {
    "aws_policy": render_aws_policy,
    "azure_role": render_azure_role,
    "bad_file": render_bad_file,
    "benchmarks": render_benchmarks,
    "changelog": render_changelog,
    "clouds": render_clouds,
    "commands": render_commands,
    "dependencies": render_dependencies,
    "example_file": render_example_file,
    "fields": render_fields,
    "gcp_permissions": render_gcp_permissions,
    "providers": render_providers,
    "ssh_file": render_ssh_file,
    "unsupported": render_unsupported,
}
