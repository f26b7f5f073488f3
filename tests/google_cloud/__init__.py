"""A stand-in for Google Cloud, asked by its real REST API: `python -m google_cloud PORT [HOST]`, from `tests/`.

All services are behind one address, told apart by path, and everything is in memory. Requests are judged by the
official models of Compute Engine's API, and what Google refuses is refused in Google's words.

What is not Google's is below `/daskfleet/`; see `control`.
"""
