"""`vinflow doctor`: what stands between this machine and Bakong, in plain words, with what to do.

It reads the site's settings where there is a site, its renewed token and its ledger of calls with them;
elsewhere the environment's KHQR_ variables do. At most three calls of the day's quota are spent.

Exit code: 0 payments can be confirmed, 1 something stands in the way, 2 the settings cannot be meant.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from typing import Any

import click

from vinflow.bakong import (
    BakongError,
    Diagnosis,
    Finding,
    Level,
    MemoryTokenStore,
    Way,
    advise,
    examine,
)

__all__ = ["doctor"]

PRODUCTION_URL = "https://api-bakong.nbc.gov.kh"
MERCHANT_MD5 = re.compile(r"[0-9a-fA-F]{32}")
SIGNS = {Level.OK: "ok", Level.LOOK: "look", Level.BAD: "BAD", Level.UNKNOWN: "?"}


class Unusable(Exception):
    """The settings cannot be meant; the message names the one."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@click.option("--ca-file", type=click.Path(exists=True, dir_okay=False), help="Trust only these authorities.")
@click.option("--no-site", is_flag=True, help="Read the environment alone, without a site or a database.")
def doctor(as_json: bool, ca_file: str | None, no_site: bool) -> None:
    """Look at the settings, the token and the way to Bakong; spend at most three calls of the day."""
    try:
        way = way_of_environment() if no_site else way_of_site()
        found, spared = examine(way, ca_file)
    except (Unusable, BakongError) as fault:
        say([Finding(Level.BAD, "settings", str(fault), "Correct this setting.")], None, None, as_json)
        raise SystemExit(2) from None
    findings = [
        *way.notes,
        *advise(found, renewable=bool(way.email), calls_left=way.calls_left, refused_by_budget=spared),
    ]
    say(findings, way, found, as_json)
    raise SystemExit(1 if any(finding.level is Level.BAD for finding in findings) else 0)


def way_of_environment(*notes: Finding) -> Way:
    """Return the way that the KHQR_ variables of the environment name. Raises Unusable."""
    said = {name: os.environ.get(f"KHQR_{name}", "").strip() for name in ENVIRONMENT}
    token = said["API_KEY"]
    if not said["MERCHANT_ID"]:
        raise Unusable(
            "KHQR_MERCHANT_ID is empty: the account (name@bank) or the merchant's MD5 belongs there"
        )
    try:
        timeout_s = float(said["TIMEOUT_S"] or 15)
    except ValueError:
        raise Unusable("KHQR_TIMEOUT_S is not a number of seconds") from None
    return Way(
        url=said["API_URL"] or PRODUCTION_URL,
        merchant=said["MERCHANT_ID"],
        hosted=is_hosted(said["PROTOCOL"] or "auto", said["MERCHANT_ID"]),
        tokens=MemoryTokenStore(token or None),
        email=said["API_EMAIL"] or None,
        proxy=said["PROXY"] or None,
        timeout_s=timeout_s,
        notes=notes,
    )


ENVIRONMENT = ("API_URL", "MERCHANT_ID", "API_KEY", "API_EMAIL", "PROTOCOL", "PROXY", "TIMEOUT_S")


def is_hosted(protocol: str, merchant: str) -> bool:
    """Is the guide's dialect spoken? Raises Unusable when neither is meant."""
    if protocol not in ("auto", "open-api", "hosted"):
        raise Unusable(f"KHQR_PROTOCOL must be auto, open-api or hosted, not {protocol!r}")
    if protocol != "auto":
        return protocol == "hosted"
    if "@" not in merchant and not MERCHANT_MD5.fullmatch(merchant):
        raise Unusable("KHQR_MERCHANT_ID is neither a Bakong account (name@bank) nor a merchant MD5")
    return "@" not in merchant


def way_of_site() -> Way:
    """Return the way the site goes, with its token and its ledger; without a site, the environment's."""
    from django.db import DatabaseError

    from vinflow.cli.site import setup_site

    try:
        setup_site()
    except click.ClickException as fault:
        return way_of_environment(
            Finding(
                Level.LOOK,
                "site",
                f"No site can be started here: {fault.message}",
                "Only the way is looked at.",
            )
        )
    from vinflow.payments import budgeting, clock, conf, quota
    from vinflow.payments.errors import NotConfigured
    from vinflow.payments.gateways import looking

    try:
        way = looking.way()
        key = conf.api_key()
    except NotConfigured as fault:
        raise Unusable(str(fault)) from None
    try:
        way.tokens.current()
        left = quota.room(budgeting.token_id(key), at=clock.now()).free
    except DatabaseError as fault:
        note = Finding(
            Level.LOOK,
            "site",
            f"The site's database cannot be read ({type(fault).__name__}), nor a renewed token in it.",
            "Check DATABASE_URL, and run `vinflow manage migrate`.",
        )
        return replace(way, tokens=MemoryTokenStore(key), budget=None, on_exchange=None, notes=(note,))
    return replace(way, calls_left=left)


def say(findings: list[Finding], way: Way | None, found: Diagnosis | None, as_json: bool) -> None:
    """Print what was found."""
    if as_json:
        click.echo(json.dumps(facts(findings, way, found), indent=2))
        return
    if way is not None:
        click.echo(
            f"{way.url}, {'the hosted dialect' if way.hosted else 'the Open API'}, {masked(way.merchant)}"
        )
    for finding in findings:
        click.echo(f"{SIGNS[finding.level]:>5}  {finding.topic:<9} {finding.says}")
        if finding.do:
            click.echo(f"{'':17}{finding.do}")
    if found is not None:
        click.echo(f"This cost at most {found.metered_calls} calls of the day.")


def facts(findings: list[Finding], way: Way | None, found: Diagnosis | None) -> dict[str, Any]:
    """Return what was found as plain values."""
    said: dict[str, Any] = {
        "ok": all(finding.level is not Level.BAD for finding in findings),
        "findings": [
            {"level": finding.level.value, "topic": finding.topic, "says": finding.says, "do": finding.do}
            for finding in findings
        ],
    }
    if way is not None:
        said |= {"address": way.url, "protocol": "hosted" if way.hosted else "open-api"}
    if found is not None:
        said |= {
            "reachable": found.reachable,
            "refused": found.refused,
            "clock_behind_s": found.clock_behind_s,
            "token_id": found.token.id if found.token is not None else None,
            "token_accepted": found.token_accepted,
            "token_days_left": found.token_days_left,
            "account": found.account.value if found.account is not None else None,
            "md5_list_open": found.md5_list_open,
            "hash_list_open": found.hash_list_open,
            "quota_gone": found.quota_gone,
            "calls_left": way.calls_left if way is not None else None,
            "metered_calls": found.metered_calls,
        }
    return said


def masked(merchant: str) -> str:
    """Return a merchant id as it may stand in a bug report: vi...st@devb."""
    name, at, bank = merchant.partition("@")
    return f"{name[:2]}...{name[-2:]}{at}{bank}" if len(name) > 6 else f"{name[:1]}...{at}{bank}"
