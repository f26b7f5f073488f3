"""Pulumi's plugin for Google Cloud."""
