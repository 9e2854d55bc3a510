"""System checks: each missing step of an installation is named, with the line that mends it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError

from vinflow.payments import conf, guards
from vinflow.payments.errors import NotConfigured

__all__ = ["gateway_settings", "migrations_applied", "network_drive", "row_guards", "site_settings"]

READERS = (
    conf.protocol, conf.environment, conf.api_key, conf.merchant_name, conf.merchant_city, conf.qr_lifetime,
    conf.grace, conf.quota_reset, conf.exchange_kept, conf.newcomers_share, conf.watch, conf.daily_calls,
    conf.timeout_s, conf.funds_handler, conf.refund_handler, conf.return_hosts,
)  # fmt: skip
LINES = {
    "KHQR_API_KEY": "KHQR_API_KEY=your_api_bearer_token",
    "KHQR_MERCHANT_ID": "KHQR_MERCHANT_ID=your_account@bank (or the merchant MD5 of a hosted gateway)",
    "KHQR_PROTOCOL": "KHQR_PROTOCOL=auto",
    "KHQR_ENVIRONMENT": "KHQR_ENVIRONMENT=sandbox (or sit, or production)",
    "VINFLOW_FUNDS_HANDLER": "VINFLOW_FUNDS_HANDLER=package.module.function",
    "VINFLOW_RETURN_HOSTS": "VINFLOW_RETURN_HOSTS=shop.example",
}
OURS = ("wallet", "payments", "storefront", "backoffice")
MOUNTS = Path("/proc/self/mounts")
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "fuse.glusterfs", "ceph", "fuse.ceph",
           "afs", "lustre", "gfs2", "ocfs2", "ncpfs", "fuse.s3fs", "fuse.rclone", "davfs"}  # fmt: skip
IMMEDIATE = 'DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}'


@register(Tags.security)
def gateway_settings(app_configs: Any = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """Return an error for every setting that is missing or absurd, and for money on a plain wire."""
    found: dict[str, CheckMessage] = {}
    for reader in READERS:
        try:
            reader()
        except NotConfigured as error:
            name = error.setting
            hint = f"Set {name} in your settings, or in the environment or .env of VinFlow's own site"
            line = LINES.get(name)
            hint += f": {line}" if line else "; docs/reference/settings.md says what it may be."
            found.setdefault(name, Error(str(error), hint=hint, id="payments.E001"))
    url = urlsplit(conf.api_url())
    host = (url.hostname or "").lower()
    if not settings.DEBUG and url.scheme != "https" and host not in conf.LOOPBACK:
        found["scheme"] = Error(
            "KHQR_API_URL is not https: whoever is on the line could mint money.",
            hint="Set KHQR_API_URL=https://api-bakong.nbc.gov.kh, or DEBUG for a test.",
            id="payments.E002",
        )
    if not settings.DEBUG and host in conf.LOOPBACK and not getattr(settings, "KHQR_ENVIRONMENT", ""):
        found["play"] = Error(
            "KHQR_API_URL points at this machine and DEBUG is off: play money would enter real wallets.",
            hint="Set KHQR_API_URL=https://api-bakong.nbc.gov.kh to take real money, or "
            "KHQR_ENVIRONMENT=sandbox to say that this is a test site.",
            id="payments.E003",
        )
    return list(found.values())


@register("vinflow")
def site_settings(app_configs: Any = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """Return what is wrong with how the site keeps time and rows; reads settings and asks no database."""
    messages: list[CheckMessage] = []
    if not settings.USE_TZ:
        messages.append(
            Error(
                "USE_TZ is off: moments without a zone cannot say when a QR ran out.",
                hint="Set USE_TZ = True in your settings.",
                id="payments.E005",
            )
        )
    row = settings.DATABASES.get("default", {})
    if row.get("ATOMIC_REQUESTS"):
        messages.append(
            Warning(
                "ATOMIC_REQUESTS is on: a view that asks Bakong inside its transaction is refused the call.",
                hint="Write @transaction.non_atomic_requests above each view that calls VinFlow.",
                id="payments.W002",
            )
        )
    if row.get("ENGINE", "").endswith("sqlite3"):
        messages += _sqlite(row)
    return messages


def _sqlite(row: dict[str, Any]) -> Iterator[CheckMessage]:
    options = row.get("OPTIONS") or {}
    if options.get("transaction_mode") not in ("IMMEDIATE", "EXCLUSIVE"):
        yield Warning(
            "SQLite begins transactions as DEFERRED: with a web process and a worker one of them now and "
            "then fails with 'database is locked'.",
            hint=f"Add {IMMEDIATE} to your settings.",
            id="payments.W003",
        )
    name = str(row.get("NAME") or "")
    try:
        mounts = MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return  # no Linux: nobody to ask
    kind = network_drive(Path(name).absolute(), mounts) if name and ":memory:" not in name else None
    if kind:
        yield Error(
            f"the SQLite database {name} lies on a network drive ({kind}), where SQLite's locks do not hold: "
            "two processes could both credit.",
            hint="Move the file to a disk of this machine, or use PostgreSQL: "
            "DATABASE_URL=postgres://user:password@host/name",
            id="payments.E006",
        )


def network_drive(path: Path, mounts: Iterable[str]) -> str | None:
    """Return the kind of network file system that a path lies on, None for a disk of this machine.

    mounts: lines as /proc/self/mounts has them (device, mount point, type, ...).
    """
    best, kind = -1, ""
    for line in mounts:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " "))
        if (path == point or point in path.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind if kind in NETWORK else None


@register(Tags.database)
def migrations_applied(
    app_configs: Any = None, databases: Sequence[str] | None = None, **kwargs: Any
) -> Sequence[CheckMessage]:
    """Return an error for each of our apps whose tables are not as its code wants them."""
    messages: list[CheckMessage] = []
    if _is_migrating():
        return messages
    for alias in databases or ():
        try:
            executor = MigrationExecutor(connections[alias])
        except DatabaseError:
            continue  # row_guards says that it did not answer
        wanted = [key for key in executor.loader.graph.leaf_nodes() if key[0] in OURS]
        missing: dict[str, list[str]] = {}
        for migration, _backwards in executor.migration_plan(wanted):
            missing.setdefault(migration.app_label, []).append(migration.name)
        messages += [
            Error(
                f"vinflow.{label} has migrations that {alias!r} lacks: {', '.join(names)}",
                hint=f"Run python manage.py migrate {label}",
                id="payments.E007",
            )
            for label, names in missing.items()
            if label in OURS
        ]
    return messages


@register(Tags.database)
def row_guards(
    app_configs: Any = None, databases: Sequence[str] | None = None, **kwargs: Any
) -> Sequence[CheckMessage]:
    """Return an error for a database whose tables lack their triggers (`check --database default`).

    A warning where `migrate` asks: it runs the checks first, and is the cure.
    """
    messages: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        try:
            tables = set(connection.introspection.table_names())
            missing = guards.missing_guards(connection) if "payments_payment" in tables else []
        except DatabaseError as error:
            messages.append(Warning(f"the database {alias!r} did not answer: {error}", id="payments.W001"))
            continue
        if missing:
            kind = Warning if _is_migrating() else Error
            messages.append(
                kind(
                    f"the database lacks {len(missing)} triggers that guard payments, {missing[0]} first",
                    hint="Run python manage.py migrate: it installs them again.",
                    id="payments.E004",
                )
            )
    return messages


def _is_migrating() -> bool:
    return "migrate" in sys.argv[1:3]
