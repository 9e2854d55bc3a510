"""The site as a WSGI application: `vinflow.project.wsgi:application`.

The fastest way to serve the pages. Live events and the watcher are not in it: serve
`vinflow.project.asgi:application` beside it for the first, and run `vinflow watch` for the second.
"""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vinflow.project.settings")

application = get_wsgi_application()

# isort: split
from vinflow.project.starting import refuse_a_bad_start  # noqa: E402 - it needs the loaded applications

refuse_a_bad_start()
