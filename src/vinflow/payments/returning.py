"""Where a payer goes after the checkout: an address of the host's, or none.

A return address comes from whoever opens the payment, perhaps from a form. It is judged when it is given,
and again when it is shown: an address to anywhere would lead payers, by our own page, to a stranger's.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.utils.http import url_has_allowed_host_and_scheme

from vinflow.payments import conf

__all__ = ["LENGTH_MAX", "safe_address"]

LENGTH_MAX = 500


def safe_address(address: str) -> str:
    """Return the address when a payer may be led there, "" otherwise.

    May be: a path of this site ("/orders/17/"); an address on the host of VINFLOW_PUBLIC_URL or on one
    named in VINFLOW_RETURN_HOSTS, by https, or by plain http where that host is this machine.
    """
    if not address or len(address) > LENGTH_MAX or not address.isprintable():
        return ""
    try:
        parts = urlsplit(address)
    except ValueError:  # a host in broken brackets
        return ""
    own = urlsplit(conf.public_url()).netloc
    hosts = {*conf.return_hosts(), *([own] if own else [])}
    plain = parts.hostname in conf.LOOPBACK
    if not parts.netloc and not address.startswith("/"):
        return ""  # relative to the page it happens to stand on
    return address if url_has_allowed_host_and_scheme(address, hosts, require_https=not plain) else ""
