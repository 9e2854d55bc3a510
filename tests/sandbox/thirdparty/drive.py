"""Drive the PyPI package bakong-khqr, as it was published, against another address. Prints JSON.

Arguments: folder of the package, address, token, account, "create" or "check" and the md5s to check. The
certificate is judged by the package's own http.client under SSL_CERT_FILE; nothing of it is replaced but the
address it keeps in a private attribute.
"""

from __future__ import annotations

import json
import sys

folder, address, token, account, what, *md5s = sys.argv[1:]
sys.path.insert(0, folder)

from bakong_khqr import KHQR  # noqa: E402

client = KHQR(token)
client._KHQR__bakong_api = f"{address}/v1"

if what == "create":
    qr = client.create_qr(
        account_id=account,
        merchant_name="Foreign Shop",
        merchant_city="Phnom Penh",
        amount=1.5,
        currency="USD",
        store_label="Store",
        phone_number="85512345678",
        bill_number="TXN-FOREIGN",
        terminal_label="T1",
    )
    link = client.generate_deeplink(
        qr,
        appDeepLinkCallback="https://shop.example/back",
        appIconUrl="https://shop.example/i.png",
        appName="Shop",
    )
    answer = {"qr": str(qr), "md5": client.generate_md5(qr), "link": link}
else:
    answer = {
        "status": client.check_payment(md5s[0]),
        "payment": client.get_payment(md5s[0]),
        "bulk": None,
        "refused": None,
    }
    try:
        answer["bulk"] = client.check_bulk_payments(md5s)
    except ValueError as error:
        answer["refused"] = str(error)
json.dump(answer, sys.stdout)
