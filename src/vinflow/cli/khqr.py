"""`vinflow khqr`: the codec from a terminal, and for teams in other languages.

Each command takes its KHQR as an argument or, without one, from standard input. With --json the
answer is one JSON object on one line, in the schema of the test vectors where that has one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from vinflow.khqr import (
    KHQRError,
    card_png,
    card_svg,
    decode,
    describe,
    encode,
    md5,
    png,
    read_fields,
    svg,
    verify,
)
from vinflow.khqr.batch import answer_line, payload_of
from vinflow.khqr.image import MODULES_MAX, modules

__all__ = ["khqr"]

F = TypeVar("F", bound=Callable[..., Any])


def _now_ms() -> int:
    """The clock, read once for a command; the codec below has none."""
    return time.time_ns() // 1_000_000


def _given(text: str | None) -> str:
    """Return the KHQR of an argument, or the first line of standard input."""
    if text is not None and text != "-":
        return text
    raw = sys.stdin.buffer.readline().rstrip(b"\r\n")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise click.ClickException("standard input is not UTF-8 text") from None


def _refuse(error: KHQRError, as_json: bool) -> None:
    """Say what is wrong, in JSON on standard output or for people on standard error; exit code 1."""
    if as_json:
        refusal = {"ok": False, "error_code": error.code, "error_name": error.name, "message": error.message}
        click.echo(json.dumps({**refusal, "field": error.field, "path": error.path}))
        raise SystemExit(1)
    # A terminal is no place for half a surrogate pair.
    text = str(error).encode("utf-8", "backslashreplace").decode()
    raise click.ClickException(f"{error.code} {error.name}: {text}")


TEXT = click.argument("text", required=False)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def khqr() -> None:
    """Make, read, check and draw KHQR texts."""


def _encode_options(function: F) -> F:
    for option in reversed(
        (
            click.option("--account", help="Bakong account, name@bank. Without it: a JSON object on stdin."),
            click.option("--name", default="", help="Merchant name, as the payer's app shows it."),
            click.option("--city", default=None, help="Merchant city; Phnom Penh unless given."),
            click.option("--merchant-id", default=None, help="Makes it a merchant KHQR (tag 30)."),
            click.option("--bank", default=None, help="Acquiring bank; required with --merchant-id."),
            click.option(
                "--account-information", default=None, help="For an individual: phone, account number."
            ),
            click.option(
                "--currency", type=click.Choice(["USD", "KHR"], case_sensitive=False), default="KHR"
            ),
            click.option("--amount", default=None, help="Plain decimal text; without it the QR is static."),
            click.option(
                "--minutes", type=click.IntRange(min=1), default=10, help="How long it may be paid."
            ),
            click.option(
                "--expires-ms", type=int, default=None, help="Its last millisecond, in place of --minutes."
            ),
            click.option(
                "--now-ms", type=int, default=None, help="The time of creation; the clock unless given."
            ),
            click.option("--bill", default=None, help="Bill number."),
            click.option("--mobile", default=None, help="Mobile number."),
            click.option("--store", default=None, help="Store label."),
            click.option("--terminal", default=None, help="Terminal label."),
            click.option("--purpose", default=None, help="Purpose of transaction."),
            click.option("--language", default=None, help="Language of --other-name, two letters."),
            click.option("--other-name", default=None, help="Merchant name in that language."),
            click.option("--other-city", default=None, help="Merchant city in that language."),
            click.option("--upi", default=None, help="UnionPay merchant account (riel only)."),
            click.option("--category", default=None, help="Merchant category code; 5999 unless given."),
        )
    ):
        function = option(function)
    return function


@khqr.command("encode")
@_encode_options
@JSON
def encode_command(as_json: bool, **options: Any) -> None:
    """Print the KHQR of a payload; with --json its md5 too.

    Options, or a JSON object on standard input with the keys of the vectors' encode input
    (merchant_type, bakong_account_id, amount, ...).
    """
    now = options["now_ms"] if options["now_ms"] is not None else _now_ms()
    try:
        given = _from_options(options, now) if options["account"] else _from_stdin()
        text = encode(payload_of(given, now_ms=now))
    except KHQRError as error:
        _refuse(error, as_json)
        return
    click.echo(json.dumps({"ok": True, "qr": text, "md5": md5(text)}) if as_json else text)


def _from_options(options: dict[str, Any], now: int) -> dict[str, Any]:
    expires = options["expires_ms"]
    return {
        "merchant_type": "individual" if options["merchant_id"] is None else "merchant",
        "bakong_account_id": options["account"],
        "merchant_name": options["name"],
        "merchant_city": options["city"],
        "merchant_id": options["merchant_id"],
        "acquiring_bank": options["bank"],
        "account_information": options["account_information"],
        "currency": 840 if options["currency"].upper() == "USD" else 116,
        "amount": options["amount"],
        "expiration_timestamp": now + options["minutes"] * 60_000 if expires is None else expires,
        "bill_number": options["bill"],
        "mobile_number": options["mobile"],
        "store_label": options["store"],
        "terminal_label": options["terminal"],
        "purpose_of_transaction": options["purpose"],
        "language_preference": options["language"],
        "merchant_name_alternate_language": options["other_name"],
        "merchant_city_alternate_language": options["other_city"],
        "upi_merchant_account": options["upi"],
        "merchant_category_code": options["category"],
    }


def _from_stdin() -> dict[str, Any]:
    try:
        given = json.loads(sys.stdin.buffer.read())
    except (ValueError, RecursionError):
        raise click.UsageError("give --account and --name, or one JSON object on standard input") from None
    if not isinstance(given, dict):
        raise click.UsageError("standard input holds JSON, but no object")
    return given


@khqr.command("decode")
@TEXT
@click.option("--lenient", is_flag=True, help="Read what can be read of a broken text.")
@JSON
def decode_command(text: str | None, lenient: bool, as_json: bool) -> None:
    """Print the fields of a KHQR, exactly as they stand."""
    try:
        fields = read_fields(_given(text), lenient=lenient)
    except KHQRError as error:
        _refuse(error, as_json)
        return
    if as_json:
        click.echo(json.dumps({"ok": True, "fields": fields}))
        return
    for name, value in fields.items():
        if value is not None:
            click.echo(f"{name}: {value}")


@khqr.command("verify")
@TEXT
@click.option(
    "--now-ms", type=int, default=None, help="The time to judge the expiry at; the clock unless given."
)
@JSON
def verify_command(text: str | None, now_ms: int | None, as_json: bool) -> None:
    """Say whether a KHQR may be paid now, and why not. Exit code 1 when it may not."""
    verdict = verify(_given(text), now_ms=_now_ms() if now_ms is None else now_ms)
    if as_json:
        click.echo(json.dumps({"ok": True, "valid": verdict.valid, "reason_code": verdict.code}))
    elif verdict.error is None:
        click.echo("valid")
    else:
        click.echo(f"invalid: {verdict.code} {verdict.name}: {verdict.error}")
    raise SystemExit(0 if verdict.valid else 1)


@khqr.command("describe")
@TEXT
@click.option("--masked", is_flag=True, help="Hide account names, account numbers and phone numbers.")
@JSON
def describe_command(text: str | None, masked: bool, as_json: bool) -> None:
    """Print what a KHQR says, field by field, for human eyes."""
    try:
        description = describe(_given(text), masked=masked)
    except KHQRError as error:
        _refuse(error, as_json)
        return
    click.echo(json.dumps({"ok": True, **asdict(description)}) if as_json else str(description))


@khqr.command("card")
@TEXT
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="An .svg or .png file.",
)
@click.option(
    "--wordmark", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Your KHQR word mark."
)
@click.option(
    "--scale", type=click.IntRange(1, 8), default=3, help="Pixels for each pixel of a 360-wide card (PNG)."
)
@click.option("--footer", multiple=True, help="A line under the card (PNG); may be given again.")
@click.option("--no-disc", is_flag=True, help="No currency sign in the middle of the QR.")
@click.option("--bare", is_flag=True, help="The QR alone, without the card.")
@JSON
def card_command(
    text: str | None,
    output: Path,
    wordmark: Path | None,
    scale: int,
    footer: tuple[str, ...],
    no_disc: bool,
    bare: bool,
    as_json: bool,
) -> None:
    """Draw the KHQR card into an SVG or PNG file."""
    kind = output.suffix.lower()
    if kind not in (".svg", ".png"):
        raise click.UsageError("the output is an .svg or .png file")
    given = _given(text)
    mark = wordmark.read_bytes() if wordmark else None
    try:
        decode(given)  # also for --bare: a picture of something else would be scanned in vain
        if bare:
            data = svg(given).encode() if kind == ".svg" else png(given, scale=scale)
        elif kind == ".svg":
            data = card_svg(given, wordmark=mark, disc=not no_disc).encode()
        else:
            data = card_png(given, scale=scale, footer=footer, wordmark=mark, disc=not no_disc)
        wide = modules(given)
    except KHQRError as error:
        _refuse(error, as_json)
        return
    output.write_bytes(data)
    if as_json:
        click.echo(json.dumps({"ok": True, "output": str(output), "bytes": len(data), "modules": wide}))
    else:
        click.echo(f"{output}: {len(data)} bytes, {wide} modules")
    if wide > MODULES_MAX:
        click.echo(
            f"warning: {wide} modules; over {MODULES_MAX} are small in a 256 px picture. Shorten the names.",
            err=True,
        )


@khqr.command("batch")
@click.argument("file", type=click.File("rb"), default="-")
def batch_command(file: BinaryIO) -> None:
    """Answer one JSON object a line with one JSON object a line.

    In: {"operation": "encode"|"decode"|"verify", "now_ms": ..., "input": {...}}. Out: {"ok": true,
    "qr", "md5"}, {"ok": true, "fields": {...}}, {"ok": true, "valid", "reason_code"}, or {"ok": false,
    "error_code", "error_name", "message"}. Other keys, such as "id", come back as they were. Without
    now_ms the clock is used. Blank lines are passed over.
    """
    out = sys.stdout
    for line in _with_progress(file):
        if line.strip():
            out.write(answer_line(line, now_ms=_now_ms()) + "\n")
            out.flush()  # whoever writes a question and waits for its answer gets it


def _with_progress(file: BinaryIO) -> Iterable[bytes]:
    """Return the lines of a file, with a progress bar on standard error when that is a terminal."""
    return _counted(file) if sys.stderr.isatty() else file


def _counted(file: BinaryIO) -> Iterator[bytes]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn

    lines: Iterable[bytes] = file
    total: int | None = None
    if file.seekable() and not file.isatty():  # a pipe tells nothing of its end
        start = file.tell()
        total = sum(1 for _ in file)
        file.seek(start)
    columns = (SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        for line in lines:
            yield line
            progress.advance(task)
