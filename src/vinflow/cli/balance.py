"""`vinflow balance`: what a payer's wallet holds, read from the ledger by a process of its own."""

from __future__ import annotations

import json
from typing import Any

import click

from vinflow.cli.site import setup_site

__all__ = ["balance"]


@click.command()
@click.argument("username")
@click.option("--transaction", help="Say also what became of this payment (its TXN reference).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; amounts as decimal text.")
def balance(username: str, transaction: str | None, as_json: bool) -> None:
    """Print a payer's balances, and whether the books balance."""
    setup_site()
    facts = read_facts(username, transaction)
    if as_json:
        click.echo(json.dumps(facts))
        return
    for currency, amount in facts["balances"].items():
        click.echo(f"{username:12} {amount:>16} {currency}")
    for currency, row in facts["trial_balance"].items():
        verdict = "balanced" if row["balanced"] else "NOT BALANCED"
        click.echo(f"{'the books':12} {row['debit']:>16} {currency} = {row['credit']} {verdict}")
    if payment := facts.get("payment"):
        click.echo(
            f"{payment['transaction_id']}  {payment['amount']} {payment['currency']}  {payment['status']}"
        )


def read_facts(username: str, transaction: str | None) -> dict[str, Any]:
    """Return balances and trial balance by currency, and the payment's own facts when it is named.

    Raises ClickException when there is no such user, or when the payment is not theirs.
    """
    from django.contrib.auth import get_user_model

    from vinflow.payments import conf
    from vinflow.wallet import queries as wallet

    users = get_user_model()
    try:
        user = users.objects.get_by_natural_key(username)
    except users.DoesNotExist:
        raise click.ClickException(f"there is no user {username!r}") from None
    environment = conf.environment()
    facts: dict[str, Any] = {
        "user": username,
        "environment": str(environment),
        "balances": {str(money.currency): money.plain for money in wallet.balances(user, environment)},
        "trial_balance": _trial_balance(environment),
    }
    if transaction:
        facts["payment"] = _payment(user, transaction)
    return facts


def _trial_balance(environment: str) -> dict[str, dict[str, Any]]:
    from vinflow.wallet import queries as wallet

    return {
        str(currency): {
            "debit": total.debit.plain,
            "credit": total.credit.plain,
            "balanced": total.is_balanced,
        }
        for currency, total in wallet.trial_balance(environment).items()
    }


def _payment(user: Any, transaction: str) -> dict[str, Any]:
    from django.db.models import Q

    from vinflow.payments import queries
    from vinflow.payments.models import Exchange

    payment = queries.payment_for(user, transaction)
    if payment is None:
        raise click.ClickException(f"{user} has no payment {transaction!r}")
    attempt = payment.attempts.order_by("-number").first()
    if attempt is None:
        raise click.ClickException(f"payment {transaction} has no QR")
    calls = Exchange.objects.filter(Q(payment=payment) | Q(attempts__payment=payment)).distinct()
    return {
        "transaction_id": payment.transaction_id,
        "status": str(payment.status),
        "amount": payment.money.plain,
        "currency": str(payment.currency),
        "qr_string": attempt.qr_string,
        "md5": attempt.md5,
        "bakong_calls": calls.count(),
        "completed_at": payment.completed_at.isoformat() if payment.completed_at else None,
    }
