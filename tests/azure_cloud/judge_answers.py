"""Judge answers by the official models: `python -m azure_cloud.judge_answers FILE`, which is a list of pairs.

A pair is the name of a model and an answer. It is a program, as the models and the clients cannot share a process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from azure_cloud.errors import AzureError
from azure_cloud.judge import judge


def main(file: str) -> None:
    problems = []
    for model, answer in json.loads(Path(file).read_text()):
        try:
            judge(model, answer, is_answer=True)
        except AzureError as error:
            problems += [f"{model}: {each.message}" for each in error.details]
    print(json.dumps(problems))


if __name__ == "__main__":
    main(*sys.argv[1:])
