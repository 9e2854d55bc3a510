"""Serve a shop's file on a port.

For the published package, which keeps the bank's address to itself, connections to the bank go to the
stand-in instead; nothing else of it is touched.

Arguments: the shop's file, the folder of the package ("" for none), the stand-in's host and port, our port.
"""

import http.client
import importlib.util
import sys

from werkzeug.serving import make_server

file, package, bank, port = sys.argv[1:]

if package:
    sys.path.insert(0, package)
    connect = http.client.HTTPSConnection.__init__

    def to_the_stand_in(self, host, *args, **kwargs):
        """Connect to the stand-in where the bank was meant."""
        connect(self, bank if host == "api-bakong.nbc.gov.kh" else host, *args, **kwargs)

    http.client.HTTPSConnection.__init__ = to_the_stand_in

spec = importlib.util.spec_from_file_location("shop", file)
shop = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shop)
make_server("127.0.0.1", int(port), shop.app, threaded=True).serve_forever()
