"""The rows of the ledger and what must never be false about each of them.

Constraints here are the half of the rules that a table can state by itself; the other half, which
needs a look at other rows, is in `guards` as triggers. Nothing but `posting` and `holds` writes here.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from vinflow.money import Currency, Money
from vinflow.wallet.entries import (
    KEY_LENGTH_MAX,
    MEMO_LENGTH_MAX,
    PURPOSE_LENGTH_MAX,
    SOURCE_LENGTH_MAX,
    AccountKind,
    AccountRef,
    Environment,
    Side,
)

CURRENCIES = [currency.value for currency in Currency]
ENVIRONMENTS = [environment.value for environment in Environment]
HASH_LENGTH = 64


class Account(models.Model):
    """One ledger account of one currency. A user's wallet carries its balance; a house account none.

    balance_minor, last_seq and last_hash repeat the wallet's last line; a trigger moves them, and
    nothing else can. held_minor is the sum of its open holds.
    """

    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=KEY_LENGTH_MAX, blank=True)
    environment = models.CharField(max_length=12)
    currency = models.CharField(max_length=3)
    # A user with a wallet is never deleted: the journal names the wallet for good.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="wallets"
    )
    balance_minor = models.BigIntegerField(null=True)
    held_minor = models.BigIntegerField(default=0)
    last_seq = models.BigIntegerField(default=0)
    last_hash = models.CharField(max_length=HASH_LENGTH, blank=True, default="")
    closed_at = models.DateTimeField(null=True, blank=True)
    frozen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key", "environment", "currency"], name="wallet_account_unique"
            ),
            models.CheckConstraint(
                condition=Q(currency__in=CURRENCIES), name="wallet_account_currency_known"
            ),
            models.CheckConstraint(
                condition=Q(environment__in=ENVIRONMENTS), name="wallet_account_environment_known"
            ),
            models.CheckConstraint(
                condition=Q(kind=AccountKind.USER.value, balance_minor__isnull=False, owner__isnull=False)
                | (~Q(kind=AccountKind.USER.value) & Q(balance_minor__isnull=True, owner__isnull=True)),
                name="wallet_account_balance_is_a_wallets",
            ),
            models.CheckConstraint(
                condition=Q(balance_minor__isnull=True, held_minor=0, last_seq=0)
                | Q(balance_minor__gte=F("held_minor"), held_minor__gte=0, last_seq__gte=0),
                name="wallet_account_held_within_balance",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ref} {self.currency} ({self.environment})"

    @property
    def ref(self) -> AccountRef:
        """The name of this account, currency aside."""
        return AccountRef(AccountKind(self.kind), self.key, Environment(self.environment))

    @property
    def is_wallet(self) -> bool:
        """Whether this is a user's wallet, with a balance of its own."""
        return self.balance_minor is not None

    @property
    def balance(self) -> Money:
        """What the wallet holds, holds included. Zero for a house account: ask `queries` for those."""
        return Money(self.balance_minor or 0, Currency(self.currency))

    @property
    def available(self) -> Money:
        """What may be spent: the balance less the open holds."""
        return Money((self.balance_minor or 0) - self.held_minor, Currency(self.currency))


class Seal(models.Model):
    """Closes an entry: inserted last, under the entry's own id, when its lines balance."""

    id = models.BigIntegerField(primary_key=True)
    line_count = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(line_count__gte=2), name="wallet_seal_has_lines"),
        ]

    def __str__(self) -> str:
        return f"seal of entry {self.pk}"


class JournalEntry(models.Model):
    """Why money moved. Never changed, never deleted; undone by an opposite entry."""

    source = models.CharField(max_length=SOURCE_LENGTH_MAX)
    purpose = models.CharField(max_length=PURPOSE_LENGTH_MAX)
    body_hash = models.CharField(max_length=HASH_LENGTH)
    environment = models.CharField(max_length=12)
    memo = models.CharField(max_length=MEMO_LENGTH_MAX, blank=True, default="")
    posted_at = models.DateTimeField()
    # The day in Phnom Penh, stored: a report must not move when a server's time zone does.
    business_date = models.DateField(db_index=True)
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversed_by"
    )
    # Deferred (Django's own way): no entry is committed without its seal.
    seal = models.OneToOneField(Seal, on_delete=models.PROTECT, related_name="entry")

    class Meta:
        verbose_name_plural = "journal entries"
        constraints = [
            models.UniqueConstraint(fields=["source", "purpose"], name="wallet_entry_key_unique"),
            models.CheckConstraint(
                condition=Q(environment__in=ENVIRONMENTS), name="wallet_entry_environment_known"
            ),
            models.CheckConstraint(condition=Q(seal=F("id")), name="wallet_entry_seal_is_its_own"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.purpose}"


class JournalLine(models.Model):
    """One amount on one side of one account. A wallet's lines are numbered, chained and carry a balance."""

    entry = models.ForeignKey(JournalEntry, on_delete=models.PROTECT, related_name="lines", db_index=False)
    number = models.PositiveIntegerField()
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="lines", db_index=False)
    side = models.CharField(max_length=1)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    seq = models.BigIntegerField(null=True)
    balance_after = models.BigIntegerField(null=True)
    previous_hash = models.CharField(max_length=HASH_LENGTH, blank=True, default="")
    hash = models.CharField(max_length=HASH_LENGTH, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entry", "number"], name="wallet_line_number_unique"),
            # Also the index of a statement: the newest page is read from its end, however long it is.
            models.UniqueConstraint(fields=["account", "seq"], name="wallet_line_seq_unique"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="wallet_line_amount_positive"),
            models.CheckConstraint(
                condition=Q(side__in=[side.value for side in Side]), name="wallet_line_side_known"
            ),
            models.CheckConstraint(condition=Q(currency__in=CURRENCIES), name="wallet_line_currency_known"),
            models.CheckConstraint(
                condition=Q(seq__isnull=True, balance_after__isnull=True)
                | Q(seq__gte=1, balance_after__gte=0),
                name="wallet_line_balance_never_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.money}"

    @property
    def money(self) -> Money:
        """The amount, always positive."""
        return Money(self.amount_minor, Currency(self.currency))


class Hold(models.Model):
    """Money set aside in a wallet: held, then captured or released, once."""

    class State(models.TextChoices):
        """The three states; the last two are final."""

        HELD = "held"
        CAPTURED = "captured"
        RELEASED = "released"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="holds", db_index=False)
    source = models.CharField(max_length=SOURCE_LENGTH_MAX)
    purpose = models.CharField(max_length=PURPOSE_LENGTH_MAX)
    amount_minor = models.BigIntegerField()
    captured_minor = models.BigIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.HELD)
    held_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["account"], condition=Q(state="held"), name="wallet_hold_open"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["source", "purpose"], name="wallet_hold_key_unique"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="wallet_hold_amount_positive"),
            models.CheckConstraint(
                condition=Q(state="held", captured_minor=0, closed_at__isnull=True)
                | Q(state="released", captured_minor=0, closed_at__isnull=False)
                | Q(
                    state="captured",
                    captured_minor__gt=0,
                    captured_minor__lte=F("amount_minor"),
                    closed_at__isnull=False,
                ),
                name="wallet_hold_state_fits",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.purpose}: {self.state}"


class Block(models.Model):
    """A run of entries, chained behind the crediting path and signed with a key kept elsewhere."""

    number = models.BigIntegerField(primary_key=True)
    first_entry = models.BigIntegerField(unique=True)
    last_entry = models.BigIntegerField(unique=True)
    entry_count = models.PositiveIntegerField()
    previous_hash = models.CharField(max_length=HASH_LENGTH, blank=True)
    hash = models.CharField(max_length=HASH_LENGTH)
    signature = models.CharField(max_length=HASH_LENGTH)
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(number__gte=1, entry_count__gte=1, last_entry__gte=F("first_entry")),
                name="wallet_block_has_entries",
            ),
        ]

    def __str__(self) -> str:
        return f"block {self.number}"
