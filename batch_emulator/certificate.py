"""Makes a self-signed certificate for this machine: `python -m batch_emulator.certificate [DIR [NAME …]]`.

It holds for localhost, the loopback addresses and the names given, such as those of a hosts file.

It needs the package `cryptography`, which `azure-identity` brings.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from batch_emulator.regular_files import create

_DAYS: Final = 365


def make_certificate(directory: Path, names: Sequence[str] = ()) -> tuple[Path, Path]:
    """Write `cert.pem` and `key.pem`, valid for a year and these host names, too; return their paths.

    Raises ValueError for a name that no certificate can hold.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    cert_path, key_path = directory / "cert.pem", directory / "key.pem"
    directory.mkdir(parents=True, exist_ok=True)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = _certificate(key, names).public_bytes(serialization.Encoding.PEM)
    # Files of their own: what had these names may be open to others, or be a link.
    with create(key_path, 0o600) as file:
        file.write(private)
    with create(cert_path) as file:
        file.write(public)
    return cert_path, key_path


def _certificate(key: ec.EllipticCurvePrivateKey, hosts: Sequence[str]) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "batch-emulator")])
    now = datetime.now(UTC)
    addresses = [x509.IPAddress(ip_address(host)) for host in ("127.0.0.1", "::1")]
    names = [*map(x509.DNSName, ("localhost", *hosts)), *addresses]
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=_DAYS))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(key, hashes.SHA256())


def main(arguments: Sequence[str]) -> int:
    """Make the certificate; return the exit code."""
    directory, *names = arguments or ["."]
    try:
        cert, private = make_certificate(Path(directory), names)
    except (OSError, ValueError) as exc:
        sys.stderr.write(f"No certificate can be made: {exc}\n")
        return 1
    sys.stdout.write(f"--cert {cert} --key-file {private}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
