"""A small shop as its owner wrote it with the common package. The tests move it by its first import."""

from bakong_khqr import KHQR
from flask import Flask, abort, jsonify, request

app = Flask(__name__)
bank = KHQR(app.config.setdefault("TOKEN", __import__("os").environ["BAKONG_TOKEN"]))
orders = {}


@app.post("/orders")
def order():
    """Make a QR for what is in the basket."""
    basket = request.get_json()
    qr = bank.create_qr(
        account_id=basket["account"],
        merchant_name="Corner Shop",
        merchant_city="Phnom Penh",
        amount=sum(basket["prices"]),
        currency=basket["currency"],
        store_label="Corner",
        phone_number="855 12 345 678",
        bill_number=f"ORDER-{len(orders) + 1}",
        terminal_label="Web",
    )
    md5 = bank.generate_md5(qr)
    orders[md5] = {"total": sum(basket["prices"]), "paid": False}
    return jsonify(md5=md5, qr=qr, link=bank.generate_deeplink(qr, appName="Corner Shop"))


@app.get("/orders/<md5>")
def status(md5):
    """Ask whether it is paid; give the goods once."""
    if md5 not in orders:
        abort(404)
    if bank.check_payment(md5) == "PAID" and not orders[md5]["paid"]:
        payment = bank.get_payment(md5)
        orders[md5]["paid"] = payment["amount"] == orders[md5]["total"]
        orders[md5]["from"] = payment["fromAccountId"]
    return jsonify(orders[md5])


@app.get("/paid")
def paid():
    """Every order that is paid, by one question."""
    return jsonify(bank.check_bulk_payments(list(orders)))


@app.errorhandler(ValueError)
def later(error):
    """The bank told nothing."""
    return jsonify(error=str(error)), 503
