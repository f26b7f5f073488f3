"""Who asks Google, as the real provider finds it out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stand_ins.core.errors import Refused

SCOPES = ("https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email")
FILES = ("GOOGLE_CREDENTIALS", "GOOGLE_CLOUD_KEYFILE_JSON", "GCLOUD_KEYFILE_JSON")
"""Each a file's path, or what is in it."""


def find_credentials(config: Mapping[str, Any]) -> tuple[Any, str | None]:
    """The credentials, and the project that they know."""
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

    token = config.get("accessToken") or os.environ.get("GOOGLE_OAUTH_ACCESS_TOKEN")
    if token:
        from google.oauth2.credentials import Credentials

        return Credentials(token=token), None  # type: ignore[no-untyped-call]
    text = config.get("credentials") or next(filter(None, (os.environ.get(name) for name in FILES)), None)
    try:
        if text:
            document = json.loads(text if text.lstrip().startswith("{") else Path(text).expanduser().read_text())
            credentials, project = google.auth.load_credentials_from_dict(document, scopes=SCOPES)
        else:
            credentials, project = google.auth.default(scopes=SCOPES)
    except DefaultCredentialsError as error:
        raise Refused(
            "Attempted to load application default credentials since neither `credentials` nor `access_token` was set "
            f"in the provider block. No credentials loaded. Original error: {error}"
        ) from None
    except (GoogleAuthError, OSError, ValueError) as error:
        raise Refused(f"Error parsing credentials: {error}") from None
    return credentials, project
