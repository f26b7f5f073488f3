"""Microsoft.Storage, and the blobs of its accounts."""
