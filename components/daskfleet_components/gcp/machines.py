"""What every machine of a fleet in Google Cloud has. Pure."""

from daskfleet_components.access import SSH_USER

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
"""What a machine may do, its service account's roles say; scopes only narrow that further."""

SETTINGS = {
    # The project's keys and its members' logins are for other machines.
    "block-project-ssh-keys": "TRUE",
    "enable-oslogin": "FALSE",
    # The console can be read, and nobody types on it.
    "serial-port-enable": "FALSE",
}


def build_metadata(user_data: str, ssh_key: str = "") -> dict[str, str]:
    """The metadata that a machine boots by.

    Args:
        ssh_key: the public key of those who may log in; empty lets nobody in.
    """
    keys = {"ssh-keys": f"{SSH_USER}:{ssh_key.strip()}"} if ssh_key else {}
    return {**SETTINGS, "user-data": user_data, **keys}
