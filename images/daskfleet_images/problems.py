"""What pydantic finds wrong, in one line for a person."""

from __future__ import annotations

from pydantic import ValidationError


def describe_problems(error: ValidationError) -> str:
    """Every problem as `field: reason`, in one line; no value is in it, as one might be a secret."""
    problems = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'document'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    )
    return "".join(each if each.isprintable() else "?" for each in problems)
