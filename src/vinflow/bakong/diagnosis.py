"""What is wrong between this machine and Bakong, found with at most three metered calls.

1  a look-up without token      free; 401 says: reachable, and not refused. Its Date tells our clock
2  a hash list with the token   one call; proves the token, and that the hash list is open
3  an md5 list with the token   one call; whether md5s can be asked in batches
4  the account, or if nothing has proved the token yet a single look-up with it, and the account without
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from .batches import Batch
from .endpoints import account_exists, account_of, check_hash_list, check_md5_list, one
from .hosted import check as hosted_check
from .hosted import read_paid
from .keyring import Keyring, proves
from .reading import read_check
from .results import Account, AccountState, CannotTell, Found, NotFound, Outcome, Reason, TokenInfo
from .tokens import Token
from .wire import Aside, Auth, Call, Flow, Operation

__all__ = ["Diagnosis", "diagnose", "diagnose_hosted"]

NOBODYS_MD5 = "0" * 32
NOBODYS_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found. None where it could not be found out, or was not asked.

    reachable: something at the address speaks as Bakong does. refused: this machine is turned away (403).
    door: the answer to the look-up without token, when it was not the expected 401.
    clock_behind_s: seconds our clock is behind theirs, negative when ahead; to a second or two.
    token: what may be told of it. token_accepted: Bakong took it. token_answer: why not, when not.
    account: what is said of the receiving account. quota_gone: the day's calls are spent.
    metered_calls: how many units of the quota this may have cost.
    """

    reachable: bool
    refused: bool
    door: CannotTell | None
    clock_behind_s: float | None = None
    token: TokenInfo | None = None
    token_days_left: float | None = None
    token_accepted: bool | None = None
    token_answer: CannotTell | None = None
    account: AccountState | None = None
    md5_list_open: bool | None = None
    hash_list_open: bool | None = None
    quota_gone: bool | None = None
    metered_calls: int = 0

    name = "diagnosis"


def door(knock: Call[Outcome], keyring: Keyring) -> Flow[Diagnosis]:
    """Knock without the token: it costs nothing, and 401 is the answer of an open door."""
    answer: Outcome = yield knock
    said = answer if isinstance(answer, CannotTell) else None
    open_door = said is None or said.reason in (Reason.AUTH, Reason.QUOTA)
    found = Diagnosis(
        reachable=open_door,
        refused=said is not None and said.reason is Reason.BLOCKED,
        door=None if open_door else said,
        clock_behind_s=clock_behind(answer.answered_at, keyring),
    )
    return (yield from look_at_token(found, keyring))


def look_at_token(found: Diagnosis, keyring: Keyring) -> Flow[Diagnosis]:
    """Add what may be told of the current token, which the calls before may have renewed."""
    token: Token | None = yield Aside(keyring.store.current)
    if token is None:
        return found
    return replace(found, token=token.info, token_days_left=days_left(token.expires_at, keyring))


def clock_behind(answered_at: datetime | None, keyring: Keyring) -> float | None:
    """Return how many seconds our clock is behind the Date of an answer."""
    return None if answered_at is None else answered_at.timestamp() - keyring.clock()


def days_left(expires_at: datetime | None, keyring: Keyring) -> float | None:
    """Return the days until a moment, negative when it is past."""
    return None if expires_at is None else (expires_at.timestamp() - keyring.clock()) / 86_400


def diagnose(account: str | None, keyring: Keyring) -> Flow[Diagnosis]:
    """Return a flow to what is wrong, for the Open API. account: the receiving account, None to skip it.

    Raises WrongArgument before anything is sent when the account is none.
    """
    wanted = account_of(account) if account is not None else None
    return steps(wanted, keyring)


def steps(account: str | None, keyring: Keyring) -> Flow[Diagnosis]:
    """The steps of the module's docstring."""
    found = yield from door(Call(Operation.CHECK_MD5, {"md5": NOBODYS_MD5}, read_check, Auth.NONE), keyring)
    if not found.reachable:
        return found
    if found.token is None and keyring.email is None:
        return (yield from ask_account(found, account, Auth.NONE))
    probe = Call(Operation.CHECK_HASH_LIST, [NOBODYS_HASH], lambda _: None)
    hash_list: Batch | CannotTell = yield from check_hash_list([NOBODYS_HASH])
    found = judge(found, probe, hash_list)
    found = replace(found, hash_list_open=is_open(hash_list))
    if found.token_accepted is not False and not found.quota_gone:
        md5_list: Batch | CannotTell = yield from check_md5_list([NOBODYS_MD5])
        found = judge(found, probe, md5_list)
        found = replace(found, md5_list_open=is_open(md5_list))
    if found.token_accepted is None and not found.quota_gone:
        single: Outcome = yield from one(Call(Operation.CHECK_MD5, {"md5": NOBODYS_MD5}, read_check))
        found = judge(found, probe, single)
    found = yield from look_at_token(found, keyring)
    spare = found.metered_calls < 3 and found.token_accepted is not False
    return (yield from ask_account(found, account, Auth.WELCOME if spare else Auth.NONE))


def ask_account(found: Diagnosis, account: str | None, auth: Auth) -> Flow[Diagnosis]:
    """Add what is said of the account."""
    if account is None:
        return found
    answer: Account | CannotTell = yield from account_exists(account, auth=auth)
    spent = found.metered_calls + (auth is not Auth.NONE)
    state = answer.state if isinstance(answer, Account) else None
    return replace(found, account=state, metered_calls=spent)


def judge(found: Diagnosis, probe: Call[None], answer: object) -> Diagnosis:
    """Add what an answer to a call with the token says of the token and the quota."""
    told = answer if isinstance(answer, CannotTell) else None
    found = replace(found, metered_calls=found.metered_calls + 1)
    if told is not None and told.reason is Reason.AUTH:
        return replace(found, token_accepted=False, token_answer=told)
    if told is not None and told.reason is Reason.QUOTA:
        return replace(found, token_accepted=True, quota_gone=True)
    if proves(probe, answer):
        return replace(found, token_accepted=True, quota_gone=False)
    return found


def is_open(answer: Batch | CannotTell) -> bool | None:
    """Is a batch call open to this token?"""
    if not isinstance(answer, CannotTell):
        return True
    return False if answer.reason in (Reason.BLOCKED, Reason.CONFIG, Reason.BAD_REQUEST) else None


def diagnose_hosted(keyring: Keyring) -> Flow[Diagnosis]:
    """Return a flow to what is wrong, for the guide's dialect: the door, and one check with the token."""
    found = yield from door(
        Call(
            Operation.HOSTED_CHECK,
            {"hash": NOBODYS_HASH},
            partial(read_paid, digest=NOBODYS_HASH),
            Auth.NONE,
        ),
        keyring,
    )
    if not found.reachable or (found.token is None and keyring.email is None):
        return found
    answer: Outcome = yield from hosted_check(NOBODYS_HASH)
    found = yield from look_at_token(found, keyring)
    if isinstance(answer, Found | NotFound):
        return replace(found, token_accepted=True, quota_gone=False, metered_calls=1)
    probe = Call(Operation.HOSTED_CHECK, None, lambda _: None)
    return judge(found, probe, answer)
