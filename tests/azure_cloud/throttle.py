"""Requests that are refused on purpose, as there are too many or something fails in Azure."""

from __future__ import annotations

from dataclasses import dataclass, field

from azure_cloud.errors import AzureError


@dataclass
class Order:
    """So many requests are refused."""

    match: str
    """What their names begin with: `PUT Microsoft.Compute/virtualMachines`; empty is all."""
    count: int
    status: int
    code: str
    message: str
    retry_after: float | None


@dataclass
class Throttle:
    """All orders that have not been carried out."""

    orders: list[Order] = field(default_factory=list)

    def check(self, name: str) -> None:
        for order in self.orders:
            if order.count > 0 and name.lower().startswith(order.match.lower()):
                order.count -= 1
                headers = {} if order.retry_after is None else {"Retry-After": f"{order.retry_after:g}"}
                raise AzureError(order.status, order.code, order.message, headers=headers)
