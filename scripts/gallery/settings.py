"""The site's own settings, and addresses for the pages that only a broken day shows."""

from vinflow.project.settings import *  # noqa: F403

ROOT_URLCONF = "scripts.gallery.urls"
VINFLOW_STAFF_TWO_FACTOR = False  # whoever takes the pictures has no phone
