"""What every machine of a fleet in Azure has. Pure."""

import base64

import pulumi
import pulumi_azure_native as azure

from daskfleet_components.access import SSH_USER

LEAST_VOLUME_GIB = 30
"""Of Debian's images in Azure, and so of those that are built from them: no disk may be smaller."""


def encode_user_data(text: str) -> str:
    """User-data as Azure takes it. It may be read by whoever may look at the machine, and holds no secret."""
    return base64.b64encode(text.encode()).decode()


def build_linux(ssh_key: pulumi.Input[str]) -> azure.compute.LinuxConfigurationArgs:
    """Who may log in, with the key only. Azure makes no machine without one, also where no port is open."""
    return azure.compute.LinuxConfigurationArgs(
        disable_password_authentication=True,
        provision_vm_agent=True,
        patch_settings=azure.compute.LinuxPatchSettingsArgs(patch_mode="ImageDefault", assessment_mode="ImageDefault"),
        ssh=azure.compute.SshConfigurationArgs(
            public_keys=[
                azure.compute.SshPublicKeyArgs(key_data=ssh_key, path=f"/home/{SSH_USER}/.ssh/authorized_keys")
            ]
        ),
    )


def build_diagnostics() -> azure.compute.DiagnosticsProfileArgs:
    """The console is kept, in storage that is Azure's own."""
    return azure.compute.DiagnosticsProfileArgs(boot_diagnostics=azure.compute.BootDiagnosticsArgs(enabled=True))
