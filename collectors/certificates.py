"""What is wrong with a broker's certificate, in words."""

from __future__ import annotations

import ssl


def why_untrusted(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with a certificate, and what to do. The numbers are OpenSSL's X509_V_ERR_..."""
    said = error.verify_message.rstrip(".")
    if error.verify_code == 10:
        return f"{said}; it has to be renewed on the server"
    if error.verify_code in (62, 64):
        return f"{said}; write a name into the URL that it was made for"
    return f"{said}; ca_file= names the authority to trust"
