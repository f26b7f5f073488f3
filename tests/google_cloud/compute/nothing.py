"""Collections that are asked for, and of which there is nothing here: those of all regions."""

from __future__ import annotations

from google_cloud.compute.collection import Collection


class GlobalTemplates(Collection):
    """Templates that are of no region."""

    name, model, scope, word = "instanceTemplates", "InstanceTemplate", "global", "instanceTemplate"
    methods = frozenset({"list", "get"})


class GlobalHealthChecks(Collection):
    """Health checks that are of no region."""

    name, model, scope, word = "healthChecks", "HealthCheck", "global", "health check"
    methods = frozenset({"list", "get"})
