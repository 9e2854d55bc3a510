"""What the ledger itself says of transfers, read for many at once: the side that reconciliation compares."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Exists, OuterRef

from vinflow.bakong import Found, Outcome
from vinflow.money import Currency, Money
from vinflow.payments import conf, receivers
from vinflow.payments.differences import Booked
from vinflow.payments.models import ClawBack, Fate, Transfer
from vinflow.wallet.models import JournalLine

__all__ = ["RECEIVED", "booked_of", "known_hashes"]

RECEIVED = ("credit", "credit_extra", "suspense")  # the purposes under which money comes in


def booked_of(transfers: Sequence[Transfer]) -> dict[int, Booked]:
    """Return, by transfer id, what the ledger's own lines say came; nothing where they say nothing."""
    sources = {f"transfer:{one.hash}": one for one in transfers}
    aliases = (*conf.receivers(), *receivers.of_two_owners(ever=True))
    taken_back = set(
        Transfer.objects.filter(
            Exists(ClawBack.objects.filter(transfer=OuterRef("pk"), decision="booked")),
            pk__in=[one.pk for one in transfers],
        ).values_list("pk", flat=True)
    )
    lines = JournalLine.objects.filter(
        entry__source__in=list(sources), entry__purpose__in=RECEIVED, account__kind="bakong", side="D"
    ).values_list("entry__source", "amount_minor", "currency", "account__key")
    booked = {}
    for source, minor, currency, receiver in lines:
        one = sources[source]
        booked[one.pk] = Booked(
            hash=one.hash,
            money=Money(minor, Currency(currency)),
            receivers=frozenset({receiver, *aliases}),
            receiver_stated=one.attempt.protocol == conf.Protocol.OPEN_API,
            given_back=one.fate == Fate.RETURNED or one.pk in taken_back,
        )
    return booked


def known_hashes(outcomes: Sequence[Outcome]) -> set[str]:
    """Return which of the transfers that were found are ours already, under whatever QR."""
    hashes = [one.transfer.hash for one in outcomes if isinstance(one, Found)]
    return set(Transfer.objects.filter(hash__in=hashes).values_list("hash", flat=True))
