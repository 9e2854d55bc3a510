"""What may go wrong in a run: one catalogue, from which each seed draws its part.

A fault is *met* when it took effect, not when it was drawn: the request was really hit, the transfer with
the wrong amount was really reported, the worker really died. `met` says in the world's words when that is.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["BY_NAME", "CLASSES", "FAULTS", "Fault", "drawn"]

CLASSES = 8  # of eight runs in a row, each fault is drawn at least once
BESIDES = (2, 6)  # and so many more by chance


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that may go wrong.

    group: network, service, wire, truth, clock, ours, adversary. what: for the report. spoil: how the
    stand-in spoils the answer of a call. switches: how the stand-in is set. seen: for switches, which
    answer shows that they took effect.
    """

    name: str
    group: str
    what: str
    spoil: Mapping[str, Any] = field(default_factory=dict)
    switches: Mapping[str, Any] = field(default_factory=dict)
    seen: str = ""


def _net(name: str, what: str, **spoil: Any) -> Fault:
    return Fault(name, "network", what, spoil={"style": name, **spoil})


def _service(name: str, what: str, style: str, **spoil: Any) -> Fault:
    return Fault(name, "service", what, spoil={"style": style, **spoil})


def _wire(name: str, what: str, seen: str, **switches: Any) -> Fault:
    return Fault(name, "wire", what, switches=switches, seen=seen)


def _truth(name: str, what: str) -> Fault:
    return Fault(name, "truth", what)


OPEN = {"md5_list": "open"}

FAULTS: tuple[Fault, ...] = (
    _net("reset", "connection reset before any work"),
    _net("reset_after", "connection reset, the answer lost"),
    _net("hang", "no answer until the time-out"),
    _net("hang_after", "the work done, no answer"),
    _net("cut", "body shorter than promised"),
    _net("noise", "bytes that are no HTTP"),
    _net("drip", "the answer byte by byte"),
    _net("slow", "the answer many seconds late"),
    _service("blocked_nginx", "403 page of nginx", "nginx", status=403),
    _service("blocked_cloudfront", "403 page of a content network", "cloudfront"),
    _service("outage", "500, 502, 503, 504", "nginx", status=503),
    _service("throttled", "429 with Retry-After", "throttled", retry_after_s=45),
    _service("quota_refused", "errorCode 17", "quota"),
    _service("token_refused", "401 and errorCode 6", "unauthorized"),
    _service("token_refused_200", "errorCode 6 with status 200", "unauthorized", status=200),
    _service("code_9", "no connection behind the API", "code", code=9),
    _service("code_42", "an unknown errorCode", "code", code=42),
    _service("code_5", "400, missing fields", "code", code=5, status=400),
    _service("not_found_500", "the words of not found under status 500", "code", code=1, status=500),
    _service("path_gone", "404 page", "nginx", status=404),
    _service("redirect", "302 to another host", "redirect"),
    _service("empty", "200 without a body", "empty"),
    _service("array", "an array around the answer", "array"),
    _service("truncated", "half of the JSON", "truncated"),
    _service("code_as_text", "responseCode as text", "code_as_text"),
    _service("data_null", "success without data", "data_null"),
    _service("login_page", "200 and a login page", "login_page"),
    _service("garbage", "a body of noise", "garbage"),
    _service("too_large", "a body over a mebibyte", "too_large"),
    _wire("list_open", "md5 list open", "list", **OPEN),
    _wire("list_short", "list answer one item short", "list", **OPEN, list_short=True),
    _wire("list_no_keys", "list items without their md5", "list", **OPEN, list_keys=False),
    _wire(
        "list_transaction", "list item under `transaction`", "list_found", **OPEN, list_shape="transaction"
    ),
    _wire("list_inline", "list item inline", "list_found", **OPEN, list_shape="inline"),
    _wire("list_costs_each", "a list costs a call for each", "list_many", **OPEN, quota_list_each=True),
    _wire("list_closes", "md5 list closes on the way", "list_closed", **OPEN),
    _wire("item_service_failed", "SERVICE_FAILED in a list", "item", **OPEN),
    _wire("item_empty_success", "SUCCESS without transaction in a list", "item", **OPEN),
    _wire("amounts_point_zero", "amounts as 9800.0", "found", amounts="point_zero"),
    _wire("amounts_text", "amounts as text", "found", amounts="string"),
    _wire("moments_float", "milliseconds as floats", "found", milliseconds="float"),
    _wire("fields_absent", "optional fields left out", "found", optional_fields="absent"),
    _wire("fields_filled", "optional fields filled", "found", optional_fields="filled"),
    _wire("fields_minimal", "no dates either", "found", optional_fields="minimal"),
    _wire("keys_reversed", "keys in another order", "found", key_order="reversed"),
    _wire("extra_keys", "unknown keys", "found", extra_keys=True),
    _wire("no_error_code", "success without errorCode", "found", error_code_on_success=False),
    _wire("paid_twice_last", "a QR paid twice shows the last", "found_twice", paid_twice="last"),
    _wire("failed_code_1", "failed told by text alone", "failed", failed_attempt="code_1"),
    _wire("refusals_count", "refused calls count too", "quota", quota_counts_refused=True),
    _wire("resets_at_utc", "quota day ends at 07:00", "between_midnights", quota_reset="utc"),
    Fault("geo_nginx", "service", "the machine is refused for hours, nginx", seen="geo"),
    Fault("geo_cloudfront", "service", "the machine is refused for hours, content network", seen="geo"),
    Fault("token_ends", "service", "the token ends and is renewed", seen="renewed"),
    Fault("token_revoked", "service", "the token dies for good until people set another", seen="401"),
    _truth("amount_more", "more paid than asked"),
    _truth("amount_less", "less paid than asked"),
    _truth("amount_precise", "more decimals than the currency has"),
    _truth("currency_other", "paid in the other currency"),
    _truth("receiver_other", "paid to an account that is not ours"),
    _truth("receiver_bridge", "paid by an accepted bridge account"),
    _truth("failed_then_paid", "a failed attempt, then the money"),
    _truth("failed_only", "a failed attempt and no money"),
    _truth("paid_twice", "one QR paid twice"),
    _truth("hash_reused", "one hash told for two QRs"),
    _truth("late", "sent after expiry"),
    _truth("indexed_late", "visible minutes or an hour after it was sent"),
    _truth("sent_back", "REFUNDED_BY_RECEIVER"),
    _truth("failed_at_ach", "FAILED_AT_ACH"),
    _truth("no_dates", "a transfer without dates"),
    _truth("strange_values", "absurd numbers and zero bytes in a transfer"),
    _truth("paid_at_the_end", "sent in the QR's last seconds"),
    _truth("both_qrs_paid", "old and new QR paid"),
    Fault("clock_ahead", "clock", "our clock jumps minutes to hours ahead, and back"),
    Fault("clock_behind", "clock", "our clock falls behind, and comes back"),
    Fault("clock_apart", "clock", "clocks a minute and a half apart all the time"),
    Fault("worker_dies", "ours", "a worker dies at any statement, or with a call under way"),
    Fault("request_dies", "ours", "a web request dies at any statement, and is sent again"),
    Fault("serialization", "ours", "the database gives up a transaction"),
    Fault("lease_lost", "ours", "an answer outlives its lease, another worker asks"),
    Fault("rival", "ours", "somebody acts between two transactions of another"),
    Fault("site_down", "ours", "no worker at all for hours"),
    Fault("switched_off", "ours", "KHQR switched off and on again"),
    Fault("late_credit_off", "ours", "late money waits for people"),
    Fault("caps_low", "ours", "automatic credit capped low"),
    Fault("small_quota", "ours", "thirty calls a day"),
    Fault("double_click", "ours", "the same form sent twice"),
    Fault("canceled", "ours", "the payer gives up"),
    Fault("canceled_paid", "ours", "the payer gives up, and pays all the same"),
    Fault("staff_asks", "ours", "staff ask the gateway, for many payments at once"),
    Fault("staff_decides", "ours", "staff decide while everything goes on"),
    Fault("claim_own", "ours", "a payer names the hash of their own transfer"),
    Fault("app_link", "ours", "deeplinks are asked for, and metered"),
    Fault("funds_refused", "ours", "the host's funds handler raises for a while"),
    Fault("drain", "adversary", "a payer who drains the quota"),
    Fault("thief", "adversary", "a thief with somebody's hash"),
    Fault("league", "adversary", "two of the staff in league"),
    Fault("other_program", "adversary", "another program spends the same token"),
)

BY_NAME = {fault.name: fault for fault in FAULTS}
# Two of one set would only overwrite each other.
APART = (
    {"amounts_point_zero", "amounts_text"},
    {"fields_absent", "fields_filled", "fields_minimal"},
    {"geo_nginx", "geo_cloudfront"},
    {"clock_ahead", "clock_behind", "clock_apart"},
    {"token_ends", "token_revoked"},
    {"list_closes", "list_short", "list_no_keys"},
    {"list_transaction", "list_inline"},
)


def drawn(seed: int) -> list[Fault]:
    """Return the faults of a seed, in catalogue order: its eighth of a shuffled deck, and some by chance."""
    block, place = divmod(seed, CLASSES)
    deck = list(FAULTS)
    random.Random(f"deck {block}").shuffle(deck)
    chance = random.Random(f"faults {seed}")
    chosen = deck[place::CLASSES]
    rest = [fault for fault in deck if fault not in chosen]
    chosen = chosen + chance.sample(rest, chance.randint(*BESIDES))
    names = {fault.name for fault in chosen}
    for group in APART:
        both = [fault.name for fault in chosen if fault.name in group]
        names -= set(both[1:])
    return [fault for fault in FAULTS if fault.name in names]
