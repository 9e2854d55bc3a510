"""Ask the official SDK and us the same 20,000 random questions: `python -m bench.khqr_differential`.

Every difference must be explained by a row of the table in docs/khqr.md. Explanations are judged from the
question, by the small independent reader below, and not from our answer: a difference that fits none is
printed, and the exit code is 1. Needs npm; see bench/khqr.py.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter
from typing import Any

from bench.khqr import official

from vinflow.khqr import read_fields
from vinflow.khqr.batch import answer
from vinflow.khqr.crc import checksum

NOW_MS = 1735689600000

NAMES = [
    "Sok Dara",
    "Coffee Shop",
    "ហាងកាហ្វេ",
    "☕️🍜 Noodles",
    "咖啡店",
    "A",
    "O'Brien & Co.",
    "x" * 25,
    "ក" * 25,
]
ODD_NAMES = [
    "",
    " ",
    "   ",
    "Sok\nDara",
    "a\x00b",
    "\ud800",
    "x" * 26,
    "😀" * 13,
    "\u00a0",
    "5802KH",
    "6304ABCD",
]
ACCOUNTS = ["sok_dara@aclb", "coffee.shop@abaa", "a@b", "x" * 27 + "@aclb", "user+tag@bank", "ឈ្មោះ@aclb"]
ODD_ACCOUNTS = [
    "",
    "nobank",
    "@",
    "a@",
    "@b",
    "a@b@c",
    "a b@c",
    "sok@aclb\n",
    "x" * 28 + "@aclb",
    "a\u00a0@b",
]
AMOUNTS = [
    0,
    1,
    50,
    100,
    4000,
    1.0,
    1.5,
    0.1,
    9.99,
    10.5,
    "1",
    "1.0",
    "1.00",
    "1.5",
    "10.50",
    "100",
    "50000.00",
    "0",
]
ODD_AMOUNTS = [
    *[
        "",
        "0.00",
        "0.000",
        -1,
        -0.01,
        "-5",
        1.005,
        "1.005",
        0.001,
        "100.5",
        99999999999999,
        1e21,
        12.345,
        9999999999999,
    ],
    *[
        "abc",
        "NaN",
        "1,000",
        "1e3",
        "0x10",
        "+5",
        " 5",
        "5 ",
        "1.2.3",
        True,
        False,
        "01",
        ".5",
        "1.",
        "01.5",
        " ",
        "-0",
    ],
    *["00", "៥", "1_000", "Infinity", 9999999999.99, "9999999999.99", "12345678901.50", None],
]
EXPIRATIONS = [NOW_MS + 60_000, NOW_MS, NOW_MS + 1, str(NOW_MS + 60_000), 9999999999999]
ODD_EXPIRATIONS = [
    None,
    "",
    0,
    1,
    1735689660,
    NOW_MS - 1,
    17356896600000,
    "abc",
    "1735689660",
    -5,
    f" {NOW_MS + 1} ",
]
CURRENCIES = [116, 840]
ODD_CURRENCIES = [None, "", "116", "840", 764, "764", "KHR", "USD", "08400", 0, 1]
CODES = ["5999", "5812", "0000", 5812, None, ""]
ODD_CODES = ["59", "1", "59999", "59a9", "ABCD", "-599", "5.9", "12 4", 59, " 599", "៥៩៩៩"]
LABELS = ("bill_number", "mobile_number", "store_label", "terminal_label", "purpose_of_transaction")


def pick(chance: random.Random, usual: list[Any], odd: list[Any], odds: float = 0.06) -> Any:
    """Return one of the usual values, an odd one now and then."""
    return chance.choice(odd if chance.random() < odds else usual)


def random_input(chance: random.Random, odds: float = 0.06) -> dict[str, Any]:
    """Return a random encode input."""
    given: dict[str, Any] = {
        "merchant_type": chance.choice(["individual", "merchant"]),
        "bakong_account_id": pick(chance, ACCOUNTS, ODD_ACCOUNTS, odds),
        "merchant_name": pick(chance, NAMES, ODD_NAMES, odds),
        "merchant_city": pick(
            chance, ["Phnom Penh", "Siem Reap", "ភ្នំពេញ", None, ""], ["x" * 16, " ", "\t"], odds
        ),
    }
    if given["merchant_type"] == "merchant":
        given["merchant_id"] = pick(chance, ["123456", "1", "x" * 32], ["", None, "x" * 33], odds)
        given["acquiring_bank"] = pick(chance, ["Dev Bank", "ធនាគារ", "B" * 32], ["", None, "B" * 33], odds)
    else:
        if chance.random() < 0.3:
            given["account_information"] = pick(chance, ["012345678", "x" * 32, ""], ["x" * 33], odds)
        if chance.random() < 0.3:
            given["acquiring_bank"] = pick(chance, ["Dev Bank", "B" * 32, None], ["B" * 33], odds)
    if chance.random() < 0.8:
        given["currency"] = pick(chance, CURRENCIES, ODD_CURRENCIES, odds)
    if chance.random() < 0.7:
        given["amount"] = pick(chance, AMOUNTS, ODD_AMOUNTS, 3 * odds)
        given["expiration_timestamp"] = pick(chance, EXPIRATIONS, ODD_EXPIRATIONS, odds)
    for name in LABELS:
        if chance.random() < 0.25:
            given[name] = pick(
                chance, ["#0001", "Main", "កក", "", None, "x" * 25], ["x" * 26, "a\x1bb", "😀" * 13], odds
            )
    if chance.random() < 0.2:
        given["language_preference"] = pick(chance, ["km", "en"], ["khm", ""], odds)
        given["merchant_name_alternate_language"] = pick(
            chance, ["ហាង", "x" * 25], ["", None, "x" * 26], odds
        )
    elif chance.random() < 0.03:
        given["merchant_name_alternate_language"] = "ហាង"
    if chance.random() < 0.15:
        given["merchant_city_alternate_language"] = pick(chance, ["ភ្នំពេញ"], ["x" * 16], odds)
    if chance.random() < 0.1:
        given["upi_merchant_account"] = pick(chance, ["1974011600520446KHQR00001234567"], ["x" * 100], odds)
    if chance.random() < 0.2:
        given["merchant_category_code"] = pick(chance, CODES, ODD_CODES, 4 * odds)
    return given


def random_text(chance: random.Random) -> str:
    """Return a KHQR, often with something done to it, its checksum right or not."""
    result: dict[str, Any] = {"ok": False}
    while not result["ok"]:
        result = answer({"operation": "encode", "now_ms": NOW_MS, "input": random_input(chance, 0.01)})
    body = result["qr"][:-8]
    for _ in range(chance.choice([0, 0, 1, 1, 1, 2, 3])):
        body = chance.choice(MUTATIONS)(chance, body)
    if chance.random() < 0.06:
        return body + chance.choice(
            ["", "6304", "6304ABCD", "63040000\n", "6304" + checksum(body + "6304").lower()]
        )
    try:
        return body + "6304" + checksum(body + "6304")
    except UnicodeEncodeError:
        return body + "63040000"


def fields(body: str) -> list[tuple[str, str]]:
    """Return the fields of a body as far as it is clean: the independent reader."""
    units = body.encode("utf-16-le", "surrogatepass")
    found, at = [], 0
    while at < len(units):
        header = units[at : at + 8].decode("utf-16-le", "replace")
        if not re.fullmatch("[0-9]{4}", header) or at + 8 + 2 * int(header[2:]) > len(units):
            break
        end = at + 8 + 2 * int(header[2:])
        found.append((header[:2], units[at + 8 : end].decode("utf-16-le", "surrogatepass")))
        at = end
    return found


def field(tag: str, value: str) -> str:
    """Return a field as text, its length in UTF-16 units."""
    return f"{tag}{len(value.encode('utf-16-le', 'surrogatepass')) // 2:02}{value}"


def shuffle(chance: random.Random, body: str) -> str:
    """Put the fields in another order."""
    found = fields(body)
    chance.shuffle(found)
    return "".join(field(*one) for one in found)


def drop(chance: random.Random, body: str) -> str:
    """Leave one field out."""
    found = fields(body)
    if found:
        found.pop(chance.randrange(len(found)))
    return "".join(field(*one) for one in found)


def double(chance: random.Random, body: str) -> str:
    """Write one field twice, the second time anywhere."""
    found = fields(body)
    if found:
        found.insert(chance.randrange(len(found) + 1), chance.choice(found))
    return "".join(field(*one) for one in found)


VALUES = {
    "00": ["02", "", "012"],
    "01": ["11", "12", "13", "", "110"],
    "29": [
        "",
        "0003a@b",
        "0001@",
        "0005a@b@c",
        "0003a@b0200",
        "0003a@b6803mmp",
        "01021",
        "2904abcd",
        "0003a@b0003c@d",
    ],
    "30": ["0003a@b", "0003a@b0133" + "1" * 33],
    "52": ["", "59", "59A9", "59999"],
    "53": ["116", "840", "764", "", "1160"],
    "54": ["5000.0", "", "abc", "1e3", "-5", "0", "100000000000", "12345678901234", "1.234", " 5", ".5"],
    "58": ["US", "", "KHM", "KHMR"],
    "59": ["", " ", "x" * 26, "a\nb", "N"],
    "60": ["", " ", "x" * 16, "BMC"],
    "62": ["", "0100", "0126" + "x" * 26, "0503REF", "0503REF6803mmp", "abcd", "0105", "01+1x", "0101a0101b"],
    "64": ["0002km", "0101x", "0002km0101x", "0000", "0200", "0201c"],
    "99": [
        *[
            "",
            "00131735689600000",
            "01131735689660000",
            "000539CA0",
            "0013173568960000001131735689660000"[:17],
        ],
        *["0013173568960000001101735689660", "00131735689600000" + "01131735689599999", "0103abc"],
        "00131735689600000" + "01131735689660000",
    ],
}


def replace_value(chance: random.Random, body: str) -> str:
    """Give one field another value, or add the field."""
    tag = chance.choice(list(VALUES))
    value = chance.choice(VALUES[tag])
    found = list(fields(body))
    if any(one[0] == tag for one in found):
        found = [(tag, value) if one[0] == tag else one for one in found]
    else:
        found.insert(chance.randrange(len(found) + 1), (tag, value))
    return "".join(field(*one) for one in found)


def stranger(chance: random.Random, body: str) -> str:
    """Add a tag KHQR does not know."""
    found = fields(body)
    tag = chance.choice(["02", "04", "26", "40", "61", "80"])
    found.insert(chance.randrange(len(found) + 1), (tag, chance.choice(["4088", "abaP2P", ""])))
    return "".join(field(*one) for one in found)


def cut_short(chance: random.Random, body: str) -> str:
    """Keep only the start."""
    return body[: chance.randrange(len(body) + 1)]


def other_letter(chance: random.Random, body: str) -> str:
    """Change one character, a digit of a length among them."""
    if not body:
        return body
    at = chance.randrange(len(body))
    return body[:at] + chance.choice("0123456789 +-aក😀") + body[at + 1 :]


MUTATIONS = [
    shuffle,
    drop,
    double,
    replace_value,
    replace_value,
    replace_value,
    stranger,
    cut_short,
    other_letter,
]

TEMPLATES = ("29", "30", "62", "64", "99")


def unclean(text: str) -> str | None:
    """Return what is wrong with the form of a text, None for a clean one."""
    found = fields(text)
    if "".join(field(*one) for one in found) != text:
        return "no clean run of tag, length and value"
    tags = [tag for tag, _ in found]
    if len(set(tags)) != len(tags):
        return "a tag twice"
    if "29" in tags and "30" in tags:
        return "both 29 and 30"
    for tag, value in found:
        if tag in TEMPLATES:
            subs = fields(value)
            if "".join(field(*one) for one in subs) != value:
                return "no clean run of tag, length and value"
            if len({sub for sub, _ in subs}) != len(subs):
                return "a tag twice"
    if not found or found[-1][0] != "63" or not re.fullmatch("[0-9A-Fa-f]{4}", found[-1][1]):
        return "no checksum field at the end"
    return None


PLAIN = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SHAPE = re.compile(r"[^@\s]+@[^@\s]+")


def explain_encode(given: dict[str, Any]) -> str | None:
    """Return the row of the table that an encode input falls under, None for an ordinary input."""
    texts = [value for value in given.values() if isinstance(value, str)]
    account, amount, expires = (
        given["bakong_account_id"],
        given.get("amount"),
        given.get("expiration_timestamp"),
    )
    if any(re.search("[\ud800-\udfff]", text) for text in texts):
        return "half a surrogate pair"
    if isinstance(account, str) and account and len(account) <= 32 and not SHAPE.fullmatch(account):
        return "account shape"
    if isinstance(amount, bool) or (isinstance(amount, str) and amount and not PLAIN.fullmatch(amount)):
        return "amount is no plain decimal"
    if isinstance(amount, float) and amount >= 1e21:
        return "amount is no plain decimal"
    if (
        isinstance(given["merchant_name"], str)
        and given["merchant_name"]
        and not given["merchant_name"].strip()
    ):
        return "blank name or city"
    city = given["merchant_city"]
    if isinstance(city, str) and city and not city.strip():
        return "blank name or city"
    if given.get("merchant_name_alternate_language") and not given.get("language_preference"):
        return "other name without its language"
    if any(CONTROL.search(text) for text in texts):
        return "control character"
    sizes = {
        "62": sum(4 + size(given.get(name)) for name in LABELS if given.get(name)),
        "29": sum(
            4 + size(given.get(name))
            for name in ("bakong_account_id", "account_information", "merchant_id", "acquiring_bank")
            if given.get(name) and (name != "account_information" or given["merchant_type"] == "individual")
        ),
    }
    if max(sizes.values()) > 99:
        return "template over 99"
    if isinstance(expires, str) and expires and not re.fullmatch("-?[0-9]+", expires):
        return "expiry text that is not all digits"
    if given.get("currency") in ("116", "840") or given.get("currency") == 0:
        return "currency as text or 0"
    return None


def size(value: object) -> int:
    """Return the UTF-16 units of a text."""
    return len(value.encode("utf-16-le", "surrogatepass")) // 2 if isinstance(value, str) else 0


def explain_verify(text: str) -> str | None:
    """Return the row of the table that a text to verify falls under, None for an ordinary one."""
    if (form := unclean(text)) is not None:
        return form
    found = dict(fields(text))
    account = dict(fields(found.get("29", found.get("30", "")))).get("00", "")
    if not SHAPE.fullmatch(account):
        return "account shape"
    if "54" in found and not re.fullmatch(r"[0-9]+(\.[0-9]+)?", found["54"]):
        return "amount is no plain decimal"
    if any(tag in found and not found[tag].strip() for tag in ("59", "60")):
        return "blank name or city"
    if CONTROL.search(text):
        return "control character"
    tags = list(found)
    if "99" in found and ("01" not in found or tags.index("99") < tags.index("01")):
        return "expiry out of the SDK's reach"
    return None


def differs(kind: str, request: dict[str, Any], theirs: dict[str, Any]) -> tuple[bool, Any]:
    """Return whether our answer differs from the SDK's, and ours."""
    if kind == "lenient":
        ours: Any = read_fields(request["input"]["qr"], lenient=True)
        return theirs != {"outcome": "fields", "fields": ours}, ours
    ours = answer(request)
    if kind == "encode":
        if ours["ok"]:
            return theirs != {"outcome": "accepted", "qr": ours["qr"], "md5": ours["md5"]}, ours
        return theirs != {"outcome": "error", "error_code": ours["error_code"]}, ours
    if kind == "decode":
        return not ours["ok"] or theirs != {"outcome": "fields", "fields": ours["fields"]}, ours
    return theirs["outcome"] != ("valid" if ours["valid"] else "invalid"), ours


def explain_lenient(text: str, theirs: dict[str, Any]) -> str | None:
    """Return why a lenient reading may differ: the SDK hangs, or reads what we will not."""
    if theirs["outcome"] == "hang":
        return "the SDK never returns"
    if re.search("[\ud800-\udfff]", text) or (theirs["outcome"] == "fields" and halved(theirs["fields"])):
        return "half a letter is shown as U+FFFD"
    if re.search(r"(?=(..-[0-9]|.. ?-))", text, re.DOTALL):
        return "a negative length ends the reading"
    if "29" in text and "30" in text:
        return "both 29 and 30: the later one counts"
    return None


def halved(found: dict[str, str | None]) -> bool:
    """Tell whether a field holds half a letter."""
    return any(value is not None and re.search("[\ud800-\udfff]", value) for value in found.values())


def questions(count: int, seed: int) -> list[tuple[str, dict[str, Any]]]:
    """Return random questions: two in five to encode, the others to verify and decode (both ways)."""
    chance = random.Random(seed)
    made: list[tuple[str, dict[str, Any]]] = []
    for number in range(count):
        kind = ("encode", "encode", "verify", "decode", "lenient")[number % 5]
        if kind == "encode":
            given = random_input(chance)
        else:
            given = {"qr": random_text(chance)}
        now = NOW_MS + chance.choice([0, 0, 0, 1, 60_000, 60_001, 10**10]) if kind == "verify" else NOW_MS
        operation = "decode" if kind == "lenient" else kind
        made.append((kind, {"operation": operation, "now_ms": now, "input": given}))
    return made


def main() -> int:
    """Print how many answers agreed and what explains the others; 1 when something explains nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one JSON object in place of text")
    options = parser.parse_args()
    sdk = official()
    agreed: Counter[str] = Counter()
    explained: Counter[tuple[str, str]] = Counter()
    unexplained = []
    try:
        for kind, request in questions(options.count, options.seed):
            theirs = sdk.ask({"do": "answer", **request})
            different, ours = differs(kind, request, theirs)
            if not different:
                agreed[kind] += 1
                continue
            if kind != "lenient" and ours["ok"] and ours.get("valid", True):
                why = None  # every row is of something we refuse: to accept more is never explained
            elif kind == "encode":
                why = explain_encode(request["input"])
            elif kind == "lenient":
                why = explain_lenient(request["input"]["qr"], theirs)
            elif kind == "decode":
                why = unclean(request["input"]["qr"])
            else:
                why = explain_verify(request["input"]["qr"])
            if why is None:
                unexplained.append({"kind": kind, "request": request, "theirs": theirs, "ours": ours})
            else:
                explained[kind, why] += 1
    finally:
        sdk.close()
    rows = [{"kind": kind, "why": why, "count": count} for (kind, why), count in sorted(explained.items())]
    result = {"asked": options.count, "seed": options.seed, "agreed": agreed, "explained": rows}
    if options.json:
        print(json.dumps({**result, "unexplained": unexplained}))
    else:
        print(f"{options.count} questions, seed {options.seed}; agreed: {dict(agreed)}")
        for row in rows:
            print(f"{row['kind']:>8}  {row['count']:>6}  {row['why']}")
        for one in unexplained[:20]:
            print("unexplained:", json.dumps(one)[:1500])
        print(f"{len(unexplained)} unexplained")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
