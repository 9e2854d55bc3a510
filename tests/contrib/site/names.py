"""Print the public names of the published package's class, with their arguments, as JSON."""

import inspect
import json
import sys

sys.path.insert(0, sys.argv[1])

from bakong_khqr import KHQR, KHQRResponse

names = {}
for kind in (KHQR, KHQRResponse):
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if (name not in ("__getitem__", "__new__") and not name.startswith("_")) or name == "__init__":
            found = inspect.signature(method).parameters.values()
            names[f"{kind.__name__}.{name}"] = [[p.name, repr(p.default), p.kind.name] for p in found]
json.dump(names, sys.stdout)
