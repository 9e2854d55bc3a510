"""A site that existed before KHQR came to it. What was added for KHQR stands at the end."""

import os
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("DEBUG", "on") == "on"
SECRET_KEY = os.environ.get("SECRET_KEY", "for-a-try-on-this-machine-only")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
    "people",
    "shop",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "core.urls"
AUTH_USER_MODEL = "people.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
STATIC_URL = "static/"
USE_TZ = True
TIME_ZONE = "Asia/Phnom_Penh"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
EMAIL_BACKEND = os.environ.get("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("HOST_SITE_DATABASE", FOLDER / "site.sqlite3"),
        # A web process and a worker write into one file: each waits its turn, readers wait for nobody.
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
        },
    }
}

# --- KHQR: all that was added -----------------------------------------------------------------------------

INSTALLED_APPS += ["vinflow.wallet", "vinflow.payments"]

KHQR_API_URL = os.environ.get("KHQR_API_URL", "https://api-bakong.nbc.gov.kh")
KHQR_MERCHANT_ID = os.environ.get("KHQR_MERCHANT_ID", "")  # merchant MD5, or a Bakong account (name@bank)
KHQR_API_KEY = os.environ.get("KHQR_API_KEY", "")  # the Bearer token
KHQR_MERCHANT_NAME = "Noodle House"

VINFLOW_FUNDS_HANDLER = "shop.funds.add_funds"
