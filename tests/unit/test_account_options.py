"""Where a fleet is that is used or removed from a machine that has never seen it: its cloud, region and account."""

from __future__ import annotations

import pytest
import typer

from daskfleet.commands.arguments import choose_account


@pytest.mark.parametrize(
    ("provider", "given", "account"),
    [
        (None, {"project": None, "subscription": None}, ""),
        ("aws", {"project": None, "subscription": None}, ""),
        ("gcp", {"project": "climate-1", "subscription": None}, "climate-1"),
        ("azure", {"project": None, "subscription": "0a1b"}, "0a1b"),
    ],
)
def test_the_account_is_the_one_that_the_cloud_s_own_option_gives(
    provider: str | None, given: dict[str, str | None], account: str
):
    assert choose_account(provider, provider and "somewhere", **given) == account


@pytest.mark.parametrize(
    ("provider", "region", "given", "told"),
    [
        ("aws", "eu-west-1", {"project": "climate-1"}, "--project goes with --provider gcp"),
        ("gcp", "europe-west4", {"subscription": "0a1b"}, "--subscription goes with --provider azure"),
        (None, None, {"subscription": "0a1b"}, "--subscription goes with --provider azure"),
        ("gcp", None, {"project": "climate-1"}, "--provider and --region go together"),
        (None, "eu-west-1", {"project": None}, "--provider and --region go together"),
    ],
)
def test_an_option_of_another_cloud_or_half_a_place_is_refused(
    provider: str | None, region: str | None, given: dict[str, str | None], told: str
):
    with pytest.raises(typer.BadParameter, match=told):
        choose_account(provider, region, **given)
