"""The settings of each registry, from the flags of a command and the files of the machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from remote.configuration.certificates import Certificates, certificates_for, certificates_in
from remote.configuration.registries_conf import RegistriesConf
from remote.http.settings import RegistrySettings

if TYPE_CHECKING:
    from pathlib import Path


@final
@dataclass(frozen=True, slots=True)
class ConfiguredRegistries:
    """The settings of registries (`RegistrySettingsSource`).

    Args:
        folders: The folders ``certs.d``, which have a folder for each registry.
        conf: The settings of ``registries.conf``.
        certificate_folder: The one folder with certificates that the user named, or None. Then
            ``folders`` are not read.
        tls_verify: Whether certificates must be trusted; None to let the files decide.
        plain_http: Whether to use HTTP without TLS.
    """

    folders: tuple[Path, ...] = ()
    conf: RegistriesConf = field(default_factory=RegistriesConf)
    certificate_folder: Path | None = None
    tls_verify: bool | None = None
    plain_http: bool = False

    def settings_for(self, registry: str) -> RegistrySettings:
        """Return the settings of a registry.

        Args:
            registry: The registry as references name it.

        Raises:
            InvalidInput: A certificate has no key.
            Unavailable: A folder cannot be read.
        """
        certificates = self._certificates(registry)
        trusted = self.tls_verify
        if trusted is None:
            trusted = not (certificates.skip_verify or self.conf.is_insecure(registry))
        return RegistrySettings(
            plain_http=self.plain_http,
            tls_verify=trusted,
            ca_files=certificates.authorities,
            client_certificates=certificates.pairs,
        )

    def _certificates(self, registry: str) -> Certificates:
        if self.certificate_folder is not None:
            return certificates_in(self.certificate_folder)
        return certificates_for(registry, self.folders)
