"""Pulumi's plugin for Azure, `azure-native`."""
