"""What a person types: each command parses, calls a service or a provider, and prints."""
