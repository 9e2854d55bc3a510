"""What can go wrong in payments, by what the caller can do about it.

PaymentError (Exception)
  IllegalTransition          a state does not know this event; nothing changed
  AlreadyCompleted           another transfer has paid this payment; book this one to suspense
  OtherEnvironment           an answer of one bank about a QR of another; nothing was stored
  InsideTransaction          a call to the network was asked for inside a transaction
  LawBroken                  the books do not add up; spending and refunds are stopped
  OpeningRefused             no payment was opened and nothing is stored; .code names the sentence
    NotConfigured            a setting is missing or absurd; .setting names it
    MethodOff                the method or the currency is switched off
    AmountTooSmall / AmountTooLarge     .limit is the nearest amount allowed
    TooManyPending / TooManyToday       this payer's own limits
    TooManyAttempts          this payment has had all the QRs it may have
    ReturnRefused            the return address leads to a host that is not allowed
    KeyReused                the idempotency key came before with another body
    BudgetGone               no call is left to confirm another QR today (where the operator hides)
    GatewayUnavailable       the hosted gateway could not make a QR; .code says how
    NotOpen                  the payment has ended in a way that no new QR can change
  ReviewRefused              a decision at the review desk that the rules do not allow
  MoneyBackRefused           money is not sent back, or not booked as sent; nothing changed
    RefundRefused            a refund or an act on one that the rules do not allow; .code names the rule
    SendingRefused           the transfer that a person names cannot be the one; .code names the rule
    ClawBackRefused          a claw-back or a repayment that the rules do not allow
  ReceiverRefused            a change of accepted receivers that the rules do not allow
  DepositRefused             a manual deposit that the rules do not allow
"""

from __future__ import annotations

from vinflow.money import Money

__all__ = [
    "AlreadyCompleted",
    "AmountTooLarge",
    "AmountTooSmall",
    "BudgetGone",
    "ClawBackRefused",
    "DepositRefused",
    "GatewayUnavailable",
    "IllegalTransition",
    "InsideTransaction",
    "KeyReused",
    "LawBroken",
    "MethodOff",
    "MoneyBackRefused",
    "NotConfigured",
    "NotOpen",
    "OpeningRefused",
    "OtherEnvironment",
    "PaymentError",
    "ReceiverRefused",
    "RefundRefused",
    "ReturnRefused",
    "ReviewRefused",
    "SendingRefused",
    "TooManyAttempts",
    "TooManyPending",
    "TooManyToday",
]


class PaymentError(Exception):
    """The root: every error that payments raise on purpose."""


class IllegalTransition(PaymentError):
    """A state does not know this event; nothing changed."""


class AlreadyCompleted(PaymentError):
    """Another transfer has paid this payment; the caller books this one to suspense."""


class InsideTransaction(PaymentError):
    """A call to the network was asked for inside a transaction; no call was made."""


class OtherEnvironment(PaymentError):
    """An answer of one bank about a QR of another; nothing was stored."""


class LawBroken(PaymentError):
    """The books do not add up; spending and refunds are stopped, receiving is not."""


class ReviewRefused(PaymentError):
    """A decision at the review desk that the rules do not allow; nothing changed."""


class MoneyBackRefused(PaymentError):
    """Money is not sent back, or not booked as sent; nothing changed. code names the rule."""

    def __init__(self, why: str, code: str = "refused") -> None:
        super().__init__(why)
        self.code = code


class RefundRefused(MoneyBackRefused):
    """A refund, or an act on one, that the rules do not allow; nothing changed."""


class SendingRefused(MoneyBackRefused):
    """The transfer that a person names cannot be the one that was sent; nothing changed."""


class ClawBackRefused(MoneyBackRefused):
    """A claw-back, or a repayment of one, that the rules do not allow; nothing changed."""


class ReceiverRefused(PaymentError):
    """A change of accepted receivers that the rules do not allow; nothing changed, the text says why."""


class DepositRefused(PaymentError):
    """A manual deposit, or a decision about one, that the rules do not allow; nothing was booked."""


class OpeningRefused(PaymentError):
    """No payment was opened, nothing is stored and no call was spent; code names the sentence."""

    code = "generic"


class NotConfigured(OpeningRefused):
    """A setting is missing or absurd; setting names it.

    The payer reads the guide's sentence; the operator reads which setting.
    """

    code = "not_configured"
    message = "KHQR payment gateway is not configured properly"

    def __init__(self, setting: str, why: str = "is not set") -> None:
        super().__init__(f"{self.message}: {setting} {why}")
        self.setting = setting


class MethodOff(OpeningRefused):
    """The method or the currency is switched off."""

    code = "method"


class AmountTooSmall(OpeningRefused):
    """Below the smallest amount; limit is that amount."""

    code = "amount_min"

    def __init__(self, limit: Money) -> None:
        super().__init__(f"the smallest amount is {limit}")
        self.limit = limit


class AmountTooLarge(OpeningRefused):
    """Above the largest amount; limit is that amount."""

    code = "amount_max"

    def __init__(self, limit: Money) -> None:
        super().__init__(f"the largest amount is {limit}")
        self.limit = limit


class TooManyPending(OpeningRefused):
    """This payer has as many unpaid payments open as they may."""

    code = "too_many_pending"


class TooManyToday(OpeningRefused):
    """This payer has opened as many payments, or as much money, as one day allows."""

    code = "too_many_today"


class TooManyAttempts(OpeningRefused):
    """This payment has had all the QRs it may have; open another payment."""

    code = "too_many_attempts"


class KeyReused(OpeningRefused):
    """The idempotency key came before with another body; make a new key."""

    code = "key_reused"


class ReturnRefused(OpeningRefused):
    """The return address leads to a host that is neither this site nor named in VINFLOW_RETURN_HOSTS."""

    code = "return_url"


class BudgetGone(OpeningRefused):
    """No call is left to confirm another QR today, and the operator chose to hide the method then."""

    code = "budget_gone"


class NotOpen(OpeningRefused):
    """The payment is paid or withdrawn: no new QR for it."""

    code = "not_open"


class GatewayUnavailable(OpeningRefused):
    """The gateway could not make a QR. message is the guide's sentence, code is for the operator."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
