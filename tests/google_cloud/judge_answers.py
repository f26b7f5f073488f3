"""Judge answers by the official models: `python -m google_cloud.judge_answers FILE`, which is a list of pairs.

A pair is the name of a model and an answer. It is a program, as the models and Pulumi's cannot share a process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from google_cloud import models
from google_cloud.errors import ApiError


def main(file: str) -> None:
    problems = []
    for model, answer in json.loads(Path(file).read_text()):
        try:
            models.judge(model, answer, model)
        except ApiError as error:
            problems.append(f"{model}: {error.message}")
    print(json.dumps(problems))


if __name__ == "__main__":
    main(*sys.argv[1:])
