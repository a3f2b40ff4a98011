"""Which addresses are this machine's alone.

Entry point: `is_loopback`.
"""

from ipaddress import IPv6Address, ip_address


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there: "localhost", 127.0.0.0/8 or ::1.

    Of any other name, and of short forms such as "0" and "127.1", it is not known, and the answer is no.
    """
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
