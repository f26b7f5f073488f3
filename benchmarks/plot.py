"""Draw `results/*.json` as SVG: `python -m benchmarks.plot`. Nothing but the JSON files is read."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

OURS, PEERS, INK, FAINT = "#c2410c", "#475569", "#1e293b", "#e2e8f0"
STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "daskfleet",  # The same drawing from the same numbers, byte for byte.
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#94a3b8",
    "xtick.color": INK,
    "ytick.color": INK,
}


def draw_all(results: Path, drawings: Path) -> None:
    """One drawing for each result."""
    drawings.mkdir(parents=True, exist_ok=True)
    for path in sorted(results.glob("*.json")):
        draw(json.loads(path.read_text()), drawings / f"{path.stem}.svg")


def draw(result: dict[str, Any], path: Path) -> None:
    """A dot for each sample, a bar at the median, and beside it the ratios with their targets."""
    cases = result["cases"]
    heights = [len(case["seconds"]) for case in cases]
    with plt.rc_context(STYLE):
        figure, rows = plt.subplots(
            len(cases),
            squeeze=False,
            sharex=True,
            figsize=(9.0, 1.3 + 0.62 * sum(heights) + 0.3 * len(cases)),
            gridspec_kw={"height_ratios": heights},
            layout="constrained",
        )
        figure.suptitle(result["title"], x=0.01, ha="left", fontsize=13, fontweight="bold")
        for axes, case in zip(rows[:, 0], cases, strict=True):
            _draw_case(axes, case)
        # The axes are shared, so the limit is set once, when everything is there.
        longest = max(max(samples) for case in cases for rounds in case["seconds"].values() for samples in rounds)
        rows[-1, 0].set_xlim(0, 1.05 * longest)
        rows[-1, 0].set_xlabel("seconds (less is better): a dot for each sample, a bar at the median")
        figure.text(0.01, -0.02, _describe_origin(result), fontsize=8, color="#64748b", va="top")
        figure.savefig(path, metadata={"Date": None, "Creator": None}, bbox_inches="tight", pad_inches=0.15)
        plt.close(figure)


def _draw_case(axes: Any, case: dict[str, Any]) -> None:
    comparisons = {each["subject"]: each for each in reversed(case["comparisons"])}
    for row, (subject, rounds) in enumerate(case["seconds"].items()):
        samples = [sample for samples in rounds for sample in samples]
        middle = statistics.median(samples)
        colour = OURS if subject.startswith("daskfleet") else PEERS
        offsets = [row + 0.26 * ((number * 0.618034) % 1.0 - 0.5) for number in range(len(samples))]
        axes.scatter(samples, offsets, s=20, color=colour, alpha=0.45, linewidths=0, zorder=2)
        axes.plot([middle, middle], [row - 0.3, row + 0.3], color=colour, linewidth=2.5, zorder=3)
        label = ", ".join([f"{middle:.3g} s", *_describe_counts(case, subject)])
        comparison = comparisons.get(subject)
        if comparison is not None:
            label += f"\n{_describe_ratio(comparison)}"
        axes.annotate(
            label,
            (1.0, row),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=colour,
        )
    axes.set_yticks(range(len(case["seconds"])), list(case["seconds"]))
    axes.set_ylim(len(case["seconds"]) - 0.5, -0.5)
    axes.set_title(case["name"], loc="left", fontsize=10)
    axes.grid(axis="x", color=FAINT, zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _describe_counts(case: dict[str, Any], subject: str) -> list[str]:
    """The first: there is no room for more."""
    counts = list(case.get("counts", {}).get(subject, {}).items())
    return [f"{value:,g} {name}" for name, value in counts[:1]]


def _describe_ratio(comparison: dict[str, Any]) -> str:
    words = f"{comparison['ratio']:.2f} × the {comparison['of']} of {comparison['peer']}"
    target = comparison["target"]
    if target is None:
        return words
    limit = f"≤ {target['at_most']:g}" if target["at_most"] is not None else f"≥ {target['at_least']:g}"
    return f"{words}\n(target {limit}: {'met' if comparison['met'] else 'missed'})"


def _describe_origin(result: dict[str, Any]) -> str:
    machine = result["machine"]
    packages = machine["packages"]
    words = (
        f"{machine['date'][:10]} · {machine['cpus']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"{machine['processor']} · Python {machine['python']}, dask {packages['dask']}, "
        f"distributed {packages['distributed']}, daskfleet {packages['daskfleet']}"
    )
    return "\n".join([words, *(f"Not to be published: {doubt}." for doubt in result["doubts"])])


if __name__ == "__main__":
    root = Path(__file__).parent.parent
    draw_all(root / "benchmarks" / "results", root / "docs" / "figures")
    sys.exit(0)
