"""Microsoft.KeyVault, and the secrets of its vaults."""
