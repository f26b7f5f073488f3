"""A stand-in for Azure, asked by its real REST API: `python -m azure_cloud PORT [HOST]`, from `tests/`.

Everything is in memory and behind one address. Requests are judged by the official models of Azure's APIs, and what
Azure refuses is refused in Azure's words. Where a request belongs is told by its host, or by the beginning of its path
where the host is the stand-in's own:

- Azure Resource Manager: `management.azure.com`, and every path that is nobody else's;
- a key vault: `NAME.vault.azure.net`, or `/vault/NAME/…`;
- blobs of a storage account: `NAME.blob.core.windows.net`, or `/blob/NAME/…`;
- Entra ID: `login.microsoftonline.com`, or `/TENANT/oauth2/v2.0/token`.

What is not Azure's is below `/daskfleet/`; see `control`.
"""
