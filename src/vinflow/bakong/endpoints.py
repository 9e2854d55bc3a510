"""The ten calls of the Open API: what we ask, and how we read the answer. One generator each.

Arguments are checked before the generator is made: a caller's mistake raises and no request leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from vinflow.money import Money

from .batches import Batch, read_list
from .errors import TooMany, WrongArgument
from .reading import envelope, malformed, read_check, unknown
from .results import Account, AccountState, CannotTell, Link, Outcome, Reason
from .tokens import Token
from .wire import Auth, Call, Flow, Operation, Reply

__all__ = ["SourceInfo", "hashes", "md5s"]

R = TypeVar("R")

BATCH_MAX = 50
MD5 = re.compile(r"[0-9a-fA-F]{32}")
HASH = re.compile(r"[0-9a-fA-F]{64}")
SHORT_HASH = re.compile(r"[0-9a-fA-F]{8}")
ACCOUNT = re.compile(r"[^\s@]+@[^\s@]+")
ACCOUNT_LENGTH_MAX = 32
EMAIL_LENGTH_MAX = 30
REF_LENGTH_MAX = 255
QR_LENGTH_MAX = 4096


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Who asks for a deeplink, and where the payer's phone may return to. Bakong wants all three or none.

    callback: opened by the phone as it stands, so an opaque id may be in it, never an amount or a status.
    """

    app_name: str
    app_icon_url: str
    callback: str

    def __post_init__(self) -> None:
        for name in ("app_name", "app_icon_url", "callback"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise WrongArgument(name, "all three of a source are required")


def matched(argument: str, pattern: re.Pattern[str], value: object, meant: str) -> str:
    """Return a hex text in lower case. Raises WrongArgument unless it is what it should be."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise WrongArgument(argument, f"not {meant}")
    return value.lower()


def positive(amount: object) -> Money:
    """Return the amount. Raises WrongArgument unless it is Money above zero."""
    if not isinstance(amount, Money):
        raise WrongArgument("amount", f"Money, not {type(amount).__name__}")
    if amount.minor <= 0:
        raise WrongArgument("amount", "an amount is above zero")
    return amount


def printable(argument: str, value: object, length_max: int) -> str:
    """Return a text of 1 to *length_max* characters, none of them a control. Raises WrongArgument."""
    if not isinstance(value, str) or not value.strip():
        raise WrongArgument(argument, "empty")
    if len(value) > length_max:
        raise WrongArgument(argument, f"{len(value)} characters, at most {length_max} are taken")
    if not value.isprintable():
        raise WrongArgument(argument, "holds control characters")
    return value


def email_of(value: object) -> str:
    """Return the e-mail a token is renewed by. Raises WrongArgument; the message never repeats it."""
    email = printable("email", value, EMAIL_LENGTH_MAX).strip()
    if not ACCOUNT.fullmatch(email):
        raise WrongArgument("email", "not an e-mail address")
    return email


def account_of(value: object) -> str:
    """Return a Bakong account id: name@bank, at most 32 characters. Raises WrongArgument."""
    account = printable("account", value, ACCOUNT_LENGTH_MAX)
    if not ACCOUNT.fullmatch(account):
        raise WrongArgument("account", "not name@bank, with one @ and something on both sides of it")
    return account


def batch_of(argument: str, pattern: re.Pattern[str], meant: str, values: Iterable[str]) -> list[str]:
    """Return the questions of a batch as given. Raises WrongArgument, TooMany."""
    if isinstance(values, str | bytes):
        raise WrongArgument(argument, "a list of texts, not one text")
    given = list(values)
    if not given:
        raise WrongArgument(argument, "an empty list")
    if len(given) > BATCH_MAX:
        raise TooMany(len(given), BATCH_MAX)
    for value in given:
        matched(argument, pattern, value, meant)
    return given


md5s = partial(batch_of, "md5s", MD5, "32 hex digits each")
hashes = partial(batch_of, "hashes", HASH, "64 hex digits each")


def check_md5(md5: str) -> Flow[Outcome]:
    """Ask what became of the KHQR whose text has this MD5. It is always sent in lower case."""
    digest = matched("md5", MD5, md5, "32 hex digits")
    return one(Call(Operation.CHECK_MD5, {"md5": digest}, read_check))


def check_hash(transfer_hash: str) -> Flow[Outcome]:
    """Ask after a transfer by its full hash."""
    digest = matched("hash", HASH, transfer_hash, "64 hex digits")
    reader = partial(read_check, about=digest.__eq__)
    return one(Call(Operation.CHECK_HASH, {"hash": digest}, reader))


def check_short_hash(short_hash: str, amount: Money) -> Flow[Outcome]:
    """Ask after a transfer by what its receipt shows: the first 8 digits of the hash, and the amount."""
    digest = matched("short_hash", SHORT_HASH, short_hash, "8 hex digits")
    money = positive(amount)
    body = {"hash": digest, "amount": money.decimal, "currency": money.currency.value}
    reader = partial(read_check, about=lambda found: found.startswith(digest))
    return one(Call(Operation.CHECK_SHORT_HASH, body, reader))


def check_external_ref(external_ref: str) -> Flow[Outcome]:
    """Ask after a transfer by the payer's bank's reference. It is not your bill number."""
    ref = printable("external_ref", external_ref, REF_LENGTH_MAX)
    return one(Call(Operation.CHECK_EXTERNAL_REF, {"externalRef": ref}, read_check))


def check_instruction_ref(instruction_ref: str) -> Flow[Outcome]:
    """Ask after a transfer by the reference of an instruction between banks."""
    ref = printable("instruction_ref", instruction_ref, REF_LENGTH_MAX)
    return one(Call(Operation.CHECK_INSTRUCTION_REF, {"instructionRef": ref}, read_check))


def check_hash_list(hashes: list[str]) -> Flow[Batch | CannotTell]:
    """Ask after 1 to 50 transfers at once; hashes lower-case, each once. Costs one call."""
    return one(Call(Operation.CHECK_HASH_LIST, hashes, read_list(hashes, "hash")))


def check_md5_list(md5s: list[str]) -> Flow[Batch | CannotTell]:
    """Ask after 1 to 50 KHQRs at once; md5s lower-case, each once. Costs one call, where it is open."""
    return one(Call(Operation.CHECK_MD5_LIST, md5s, read_list(md5s, "md5")))


def account_exists(account: str, *, auth: Auth = Auth.WELCOME) -> Flow[Account | CannotTell]:
    """Ask whether a Bakong account exists. For the moment an operator saves one, not for every payment."""
    return one(Call(Operation.CHECK_ACCOUNT, {"accountId": account_of(account)}, read_account, auth))


def deeplink(qr: str, source: SourceInfo | None, base_url: str) -> Flow[Link | CannotTell]:
    """Ask for a link that opens the Bakong app with this QR. Every call gives another link.

    base_url: whom we ask. A stand-in that speaks plain http may link to itself; nobody else may.
    """
    body: dict[str, object] = {"qr": printable("qr", qr, QR_LENGTH_MAX)}
    if source is not None:
        body["sourceInfo"] = {
            "appIconUrl": source.app_icon_url,
            "appName": source.app_name,
            "appDeepLinkCallback": source.callback,  # lower-case b: the SDK classes spell it otherwise
        }
    return one(Call(Operation.DEEPLINK, body, partial(read_link, base_url=base_url), Auth.WELCOME))


def renew_token(email: str) -> Flow[Token | CannotTell]:
    """Ask for a new token. The e-mail is all that Bakong wants for it, so it is kept as a secret."""
    return one(Call(Operation.RENEW_TOKEN, {"email": email}, read_token, Auth.NONE))


def one(call: Call[R]) -> Flow[R]:
    """The flow that is one call and its answer."""
    answer: R = yield call
    return answer


def read_account(reply: Reply) -> Account | CannotTell:
    """Return what is said of an account. `data` is ignored: no document shows its shape."""
    answer = envelope(reply)
    if isinstance(answer, CannotTell):
        return answer
    match answer.response_code, answer.error_code:
        case 0, _:
            return Account(AccountState.EXISTS, answer.answered_at)
        case 1, 11:
            return Account(AccountState.UNKNOWN, answer.answered_at)
        case 1, 12:
            return Account(AccountState.INVALID, answer.answered_at)
    return unknown(answer)


def read_link(reply: Reply, *, base_url: str) -> Link | CannotTell:
    """Return the link of an answer; only https is taken for one, or a plain stand-in's own."""
    answer = envelope(reply)
    if isinstance(answer, CannotTell):
        return answer
    match answer.response_code, answer.error_code:
        case 0, _:
            link = answer.data.get("shortLink") if isinstance(answer.data, dict) else None
            if not isinstance(link, str) or not is_web_link(link, base_url):
                return malformed(answer, "success, but no https link")
            return Link(link, answer.answered_at)
        case 1, 4:
            detail = f"no deeplink from its provider: {answer.message}"
            return CannotTell(Reason.UPSTREAM, detail, 4, None, answer.answered_at, reply.status)
    return unknown(answer)


# No blanks, quotes or angle brackets: it will stand in an href.
WEB_LINK = re.compile(r"https?://[^\s\"'<>\\\x00-\x20\x7f]{3,2000}")


def is_web_link(link: str, base_url: str) -> bool:
    """May this stand on a page as a link: https, or http to the very http address it came from?"""
    if not WEB_LINK.fullmatch(link):
        return False
    return link.startswith("https://") or (base_url.startswith("http://") and link.startswith(f"{base_url}/"))


def read_token(reply: Reply) -> Token | CannotTell:
    """Return the token of an answer. Its text stands nowhere else: not in a detail, not in an exchange."""
    answer = envelope(reply)
    if isinstance(answer, CannotTell):
        return answer
    match answer.response_code, answer.error_code:
        case 0, _:
            value = answer.data.get("token") if isinstance(answer.data, dict) else None
            try:
                token = Token.parse(value) if isinstance(value, str) else None
            except ValueError:
                token = None
            if token is None or token.expires_at is None:
                return malformed(answer, "success, but no token that says when it ends")
            return token
        case 1, 10:
            detail = f"the e-mail is not registered: {answer.message}"
            return CannotTell(Reason.AUTH, detail, 10, None, answer.answered_at, reply.status)
    return unknown(answer)
