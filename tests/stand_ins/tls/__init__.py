"""The stand-in for `pulumi-tls`: keys and certificates that are really made, with `cryptography`."""
