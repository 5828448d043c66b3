"""Which network addresses this machine may be sent to by a link that somebody else wrote."""

import ipaddress
from functools import lru_cache

# Global unicast, all that IANA has handed out so far (RFC 4291 2.4). Outside it lie loopback, link-local, unique
# local, multicast, NAT64 (64:ff9b::/96 and 64:ff9b:1::/48, which reach any IPv4 address behind the gateway),
# discard-only and segment-routing addresses.
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")

# Called global by some versions of `ipaddress` all the same (3.11.7: 2002::/16 and multicast).
_DENIED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this network": 0.0.0.0 reaches this very machine
        "100.64.0.0/10",  # carrier-grade NAT; cloud metadata at 100.100.100.200
        "168.63.129.16/32",  # Azure's platform services: a public number, an inner host
        "192.0.0.0/24",  # IETF protocol assignments
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "198.18.0.0/15",  # benchmarks, RFC 2544
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # IETF protocol assignments, Teredo (2001::/32) among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries any IPv4 address
        "3fff::/20",  # documentation, RFC 9637
    )
)


@lru_cache(maxsize=1024)
def may_connect(ip: str, *, allow_loopback: bool) -> bool:
    """Say whether a connection to this literal address is allowed; ask when connecting, not when resolving.

    ``ip`` is the text of an IPv4 or IPv6 address (a zone such as ``%eth0`` may follow); all else is denied.
    """
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback:
        return allow_loopback
    if isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_V6:
        return False
    return address.is_global and not any(address in network for network in _DENIED)
