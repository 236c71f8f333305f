"""Where a notifier's host really is. It is resolved once, every address is checked, and the checked one is used.

So a name cannot point elsewhere between the check and the call, and nobody makes Weir knock on doors inside the
network it runs in, unless an administrator allows that for this notifier.
"""

from __future__ import annotations

import ipaddress
import socket

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(Exception):
    """A host may not be spoken to, or cannot be found; the message is one sentence. `permanent`: it will not change."""

    def __init__(self, sentence: str, permanent: bool) -> None:
        super().__init__(sentence)
        self.permanent = permanent


def pinned(host: str, port: int, allow_private: bool) -> str:
    """The address of a host that may be connected to. Raises Refused."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no host name"
        raise Refused(f"{host} cannot be found: {why}.", permanent=False) from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for text in addresses:
        if not allow_private and not is_public(ipaddress.ip_address(text.partition("%")[0])):
            raise Refused(
                f"{host} leads to {text}, inside a private network; an administrator may allow that for this notifier.",
                permanent=True,
            )
    return addresses[0]


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet, also behind the ways in which IPv6 holds IPv4."""
    if isinstance(address, ipaddress.IPv6Address):
        for inner in (address.ipv4_mapped, address.sixtofour, (address.teredo or (None, None))[1]):
            if inner is not None:
                return is_public(inner)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
