"""`vinflow khqr`, as a person and as another program would run it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from vinflow.cli.khqr import khqr

NOW_MS = 1735689600000


@pytest.fixture
def run():
    def invoke(*arguments: str, given: str | bytes | None = None):
        return CliRunner().invoke(khqr, arguments, input=given)

    return invoke


ENCODE = ("encode", "--account", "sok_dara@aclb", "--name", "Sok Dara")


def test_encode_prints_the_text_and_with_json_its_md5(run, static_text):
    from vinflow.khqr import md5

    assert run(*ENCODE).output == static_text + "\n"
    reply = json.loads(run(*ENCODE, "--json").output)
    assert reply == {"ok": True, "qr": static_text, "md5": md5(static_text)}


def test_encode_takes_an_object_on_standard_input(run, vectors):
    for vector in vectors("encode")[:40]:
        given = json.dumps(vector["input"])
        reply = json.loads(run("encode", "--now-ms", str(vector["now_ms"]), "--json", given=given).output)

        assert reply == {"ok": True, **vector["expected"]}


def test_every_option_of_encode_reaches_its_tag(run):
    result = run(
        *("encode", "--account", "a@b", "--name", "N", "--city", "C", "--merchant-id", "7", "--bank", "B"),
        *("--currency", "khr", "--amount", "500.0", "--now-ms", str(NOW_MS), "--minutes", "5"),
        *("--bill", "b1", "--mobile", "m2", "--store", "s3", "--terminal", "t4", "--purpose", "p5"),
        *("--language", "km", "--other-name", "ហាង", "--other-city", "ភ", "--upi", "U", "--category", "5812"),
    )

    assert result.exit_code == 0, result.output
    for part in (
        *(
            "300003a@b",
            "01017",
            "0201B",
            "1501U",
            "52045812",
            "5303116",
            "5403500",
            "5901N",
            "6001C",
            "0102b1",
        ),
        *("0202m2", "0302s3", "0702t4", "0802p5", "0002km", "0103ហាង", "0201ភ", "01131735689900000"),
    ):
        assert part.removeprefix("30") in result.output, part


def test_decode_verify_and_describe_read_an_argument_or_standard_input(run, static_text):
    for given in ((static_text,), ("-",), ()):
        stdin = None if given == (static_text,) else static_text + "\r\n"

        assert "merchant_name: Sok Dara\n" in run("decode", *given, given=stdin).output
        assert run("verify", *given, given=stdin).output == "valid\n"
        assert "Bakong account  sok_dara@aclb" in run("describe", *given, given=stdin).output
    fields = json.loads(run("decode", static_text, "--json").output)["fields"]
    assert len(fields) == 25
    assert "s***@aclb" in run("describe", "--masked", static_text).output
    assert json.loads(run("describe", static_text, "--json").output)["kind"] == "individual"


def test_verify_says_why_and_ends_with_1(run, top_up_text):
    late = run("verify", top_up_text)
    assert late.exit_code == 1
    assert late.output.startswith("invalid: 46 KHQR_EXPIRED")
    assert run("verify", top_up_text, "--now-ms", str(NOW_MS)).exit_code == 0
    reply = json.loads(run("verify", "x", "--json").output)
    assert reply == {"ok": True, "valid": False, "reason_code": 8}


def test_what_is_wrong_goes_to_standard_error_or_into_the_json(run):
    refused = run("decode", "2904abcd")
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "8 KHQR_INVALID" in refused.stderr
    reply = json.loads(run("encode", "--account", "a", "--name", "N", "--json").output)
    assert (reply["ok"], reply["error_code"], reply["field"]) == (False, 3, "bakong_account_id")
    assert run("decode", given=b"\xff\xfe\n").exit_code == 1
    assert run("encode", given="no json").exit_code == 2
    assert run("encode", given="[]").exit_code == 2
    half = run(
        "encode",
        given='{"merchant_type": "individual", "bakong_account_id": "a@b", "merchant_name": "\\ud800"}',
    )
    assert (half.exit_code, "8 KHQR_INVALID" in half.stderr) == (1, True)


def test_decode_reads_what_it_can_when_asked_to(run):
    assert run("decode", "5908Sok").exit_code == 1
    assert "merchant_name: Sok" in run("decode", "--lenient", "5908Sok").output


@pytest.mark.parametrize("name", ["card.svg", "card.png"])
@pytest.mark.parametrize("bare", [True, False])
def test_card_writes_a_picture_that_reads_back(run, tmp_path, top_up_text, name, bare):
    import io

    import resvg_py
    import zxingcpp
    from PIL import Image

    output = tmp_path / name
    result = run("card", top_up_text, "-o", str(output), *(["--bare"] if bare else ["--footer", "Valid"]))
    data = output.read_bytes()
    if name.endswith(".svg"):
        data = bytes(resvg_py.svg_to_bytes(svg_string=data.decode(), width=600, background="#ffffff"))

    assert result.exit_code == 0, result.output
    assert "69 modules" in result.output
    assert [found.text for found in zxingcpp.read_barcodes(Image.open(io.BytesIO(data)))] == [top_up_text]


def test_card_refuses_what_is_no_khqr_and_other_kinds_of_file(run, tmp_path, static_text):
    assert run("card", "hello", "-o", str(tmp_path / "x.png")).exit_code == 1
    assert run("card", static_text, "-o", str(tmp_path / "x.gif")).exit_code == 2
    mark = tmp_path / "mark.gif"
    mark.write_bytes(b"GIF89a")
    refused = run("card", static_text, "-o", str(tmp_path / "x.svg"), "--wordmark", str(mark))
    assert refused.exit_code == 1
    assert not (tmp_path / "x.svg").exists()


def test_card_warns_when_the_modules_become_small(run, tmp_path, top_up):
    from dataclasses import replace

    from vinflow.khqr import encode

    long = encode(replace(top_up, merchant_name="x" * 25, mobile_number="y" * 20, acquiring_bank="z" * 32))
    result = run("card", long, "-o", str(tmp_path / "x.svg"), "--json")

    assert json.loads(result.stdout)["modules"] > 77
    assert "Shorten the names" in result.stderr


def test_batch_answers_line_by_line_and_passes_over_blank_lines(run, static_text):
    lines = [
        json.dumps({"id": 1, "operation": "verify", "input": {"qr": static_text}}),
        "",
        "nonsense",
        json.dumps({"id": "\udead", "operation": "decode", "input": {"qr": "\ud800"}}),
    ]
    replies = [json.loads(line) for line in run("batch", given="\n".join(lines)).output.splitlines()]

    assert [reply["ok"] for reply in replies] == [True, False, False]
    assert replies[0] == {"id": 1, "ok": True, "valid": True, "reason_code": None}
    assert replies[2]["id"] == "\udead"


def test_batch_answers_a_program_that_waits_for_each_answer(static_text):
    command = [sys.executable, "-m", "vinflow.cli", "khqr", "batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for number in range(3):
            process.stdin.write(
                json.dumps({"id": number, "operation": "decode", "input": {"qr": static_text}}) + "\n"
            )
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(timeout=20) == 0


def test_the_codec_alone_starts_without_django_and_without_the_drawing_libraries():
    program = (
        "import sys, vinflow.khqr as k; k.encode(k.Individual('a@b', 'N'));"
        "print([name for name in ('django', 'segno', 'resvg_py', 'PIL', 'httpx2') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
