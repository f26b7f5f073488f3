"""Microsoft.ManagedIdentity, Microsoft.Authorization and Entra ID: who asks, and what they may do."""
