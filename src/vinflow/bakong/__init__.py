"""The Bakong Open API and the guide's hosted dialect, blocking and async; no Django.

    from vinflow.bakong import Client, Found, NotFound, CannotTell

    with Client(token=...) as bakong:
        match bakong.check_md5(md5):
            case Found(transfer): ...      # compare it with what was asked for, then credit once
            case NotFound(): ...           # not yet
            case CannotTell(reason): ...   # nothing was learnt; ask later

Unknown is not unpaid: see results.py.
"""

from .advice import Finding, Level, advise
from .client import AsyncClient, AsyncHostedClient, Client, HostedClient
from .diagnosis import Diagnosis
from .endpoints import SourceInfo
from .errors import BakongError, NotConfigured, TooMany, WrongArgument
from .examining import Way, examine, look_up_account
from .results import (
    Account,
    AccountState,
    CannotTell,
    Failed,
    Found,
    HostedQr,
    Link,
    NotFound,
    Outcome,
    Reason,
    StaticQr,
    TokenInfo,
    TrackingStatus,
    Transfer,
)
from .token_file import FileTokenStore
from .tokens import MemoryTokenStore, Token, TokenStore
from .wire import Auth, Call, Exchange, Operation

__all__ = [
    "Account",
    "AccountState",
    "AsyncClient",
    "AsyncHostedClient",
    "Auth",
    "BakongError",
    "Call",
    "CannotTell",
    "Client",
    "Diagnosis",
    "Exchange",
    "Failed",
    "FileTokenStore",
    "Finding",
    "Found",
    "HostedClient",
    "HostedQr",
    "Level",
    "Link",
    "MemoryTokenStore",
    "NotConfigured",
    "NotFound",
    "Operation",
    "Outcome",
    "Reason",
    "SourceInfo",
    "StaticQr",
    "Token",
    "TokenInfo",
    "TokenStore",
    "TooMany",
    "TrackingStatus",
    "Transfer",
    "Way",
    "WrongArgument",
    "advise",
    "examine",
    "look_up_account",
]
