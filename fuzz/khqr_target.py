"""The coverage-guided fuzz target of the KHQR codec. Run it with `python -m fuzz.khqr`.

Every input is read in one of five ways, chosen by its first byte. What must hold for all of them:
an answer or a KHQRError, nothing else; and where there is an answer, that it agrees with itself.
"""

# ruff: noqa: PT017 (no test: any failing assert is a finding)
from __future__ import annotations

import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["vinflow.khqr"]):
    from vinflow.khqr import (
        Individual,
        KHQRError,
        Merchant,
        decode,
        describe,
        encode,
        encoder,
        md5,
        read_emv,
        read_fields,
        shortcut,
        verifier,
        verify,
    )
    from vinflow.khqr.batch import answer, answer_line
    from vinflow.khqr.crc import checksum
    from vinflow.khqr.tlv import fields_of, in_units

NOW_MS = 1735689600000


def one_input(data: bytes) -> None:
    """Run one input through the way its first byte names."""
    if data:
        WAYS[data[0] % len(WAYS)](data[1:])


def as_text(data: bytes) -> str:
    """Return any bytes as text, half surrogate pairs among it (from the bytes of UTF-8's CESU cousin)."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_any(data: bytes) -> None:
    """Any text, as it is."""
    read(as_text(data))


def read_sealed(data: bytes) -> None:
    """Any text with a right checksum, so that the questions after the checksum are reached."""
    body = as_text(data).replace("\ud800", "")
    try:
        read(body + "6304" + checksum(body + "6304"))
    except UnicodeEncodeError:
        read(body)


def read(text: str) -> None:
    """Ask every reader about a text, and hold their answers against each other."""
    verdict = verify(text, now_ms=NOW_MS)
    assert verdict.valid == (verdict.code is None) == (verdict.error is None)
    try:
        read_emv(text)
    except KHQRError as error:
        assert error.code == 8
    loose = read_fields(text, lenient=True)
    assert len(loose) == 25
    for value in loose.values():
        assert value is None or value.encode("utf-8") is not None
    try:
        fields = read_fields(text)
    except KHQRError as error:
        assert error.code == 8
        assert not verdict.valid
        return
    describe(text, masked=True)
    str(describe(text))
    # The short cut and the rules one by one must agree.
    tops = fields_of(in_units(text))
    if verifier._sound(dict(tops), NOW_MS):
        assert verifier._missing(tops) is None
        assert verifier._faulty(tops, NOW_MS) is None
    if "\ufffd" not in text and set(map(ord, text)) <= set(range(0x10000)):
        assert loose == fields
    try:
        payload = decode(text)
    except KHQRError as error:
        assert error.code in (5, 9, 28)
        return
    write(payload)


def write(payload: Individual | Merchant) -> None:
    """Write a payload: refused, or both roads agree and the text reads back as the same payload."""
    try:
        short = shortcut.at_once(payload)
    except (AttributeError, IndexError, TypeError, UnicodeEncodeError):
        short = None
    try:
        text = encode(payload)
    except KHQRError:
        assert short is None
        return
    if short is not None:
        assert text == short == encoder._step_by_step(payload)
    assert len(md5(text)) == 32
    again = decode(text)
    assert encode(again) == text
    if again.expiration_timestamp is None or again.expiration_timestamp >= NOW_MS:
        verdict = verify(text, now_ms=NOW_MS)
        # Unknown tags may be anything, so only a payload without them must be valid.
        assert verdict.valid or payload.extra, (verdict, text)


NAMES = (
    "bakong_account_id",
    "merchant_name",
    "merchant_city",
    "merchant_id",
    "acquiring_bank",
    "account_information",
    "currency",
    "amount",
    "expiration_timestamp",
    "bill_number",
    "mobile_number",
    "store_label",
    "terminal_label",
    "purpose_of_transaction",
    "language_preference",
    "merchant_name_alternate_language",
    "merchant_city_alternate_language",
    "upi_merchant_account",
    "merchant_category_code",
    "merchant_type",
)


def build(data: bytes) -> None:
    """An encode request of any types, made from the bytes."""
    provider = atheris.FuzzedDataProvider(data)
    given: dict[str, Any] = {
        "merchant_type": "individual" if provider.ConsumeBool() else "merchant",
        "bakong_account_id": "sok_dara@aclb",
        "merchant_name": "Sok Dara",
        "merchant_id": "123456",
        "acquiring_bank": "Dev Bank",
        "expiration_timestamp": NOW_MS + 60_000,
    }
    for _ in range(provider.ConsumeIntInRange(1, 6)):
        name = NAMES[provider.ConsumeIntInRange(0, len(NAMES) - 1)]
        given[name] = any_value(provider)
    result = answer({"operation": "encode", "now_ms": NOW_MS, "input": given})
    if result["ok"]:
        verdict = answer({"operation": "verify", "now_ms": NOW_MS, "input": {"qr": result["qr"]}})
        assert verdict == {"ok": True, "valid": True, "reason_code": None}, (given, result, verdict)
        assert answer({"operation": "decode", "input": {"qr": result["qr"]}})["ok"]


def any_value(provider: Any) -> Any:
    """One value of any JSON type, text most of the time."""
    kind = provider.ConsumeIntInRange(0, 11)
    if kind <= 5:
        return provider.ConsumeUnicode(provider.ConsumeIntInRange(0, 34))
    return (
        None,
        provider.ConsumeBool(),
        provider.ConsumeInt(8),
        provider.ConsumeFloat(),
        [provider.ConsumeInt(1)],
        {"a": provider.ConsumeInt(1)},
    )[kind - 6]


def build_payload(data: bytes) -> None:
    """A payload made directly, past the batch's own conversions, extra fields included."""
    provider = atheris.FuzzedDataProvider(data)
    kind = Individual if provider.ConsumeBool() else Merchant
    given: dict[str, Any] = {"creation_timestamp": NOW_MS, "expiration_timestamp": NOW_MS + 1}
    if kind is Merchant:
        given |= {"merchant_id": "1", "acquiring_bank": "B"}
    for _ in range(provider.ConsumeIntInRange(0, 5)):
        name = NAMES[provider.ConsumeIntInRange(5, len(NAMES) - 2)]
        if name != "account_information" or kind is Individual:
            given[name] = any_value(provider)
    if provider.ConsumeBool():
        given["extra"] = (
            (provider.ConsumeUnicode(5), provider.ConsumeUnicode(9)),
            ("62.05", "x"),
            ("02", "y"),
        )
    write(kind("a@b", provider.ConsumeUnicode(26), provider.ConsumeUnicode(16), **given))


def line(data: bytes) -> None:
    """Any bytes as a line of the batch."""
    reply = answer_line(data, now_ms=NOW_MS)
    assert reply.isascii()
    assert "\n" not in reply


WAYS = (read_any, read_sealed, build, build_payload, line)


def main() -> None:
    """Fuzz until libFuzzer's own limits, given as its command line, are reached."""
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
