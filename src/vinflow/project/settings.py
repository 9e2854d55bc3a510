"""The settings of the deployable site, read once from the environment and from a `.env` file.

`.env.example` names every variable read here, with its default. The environment wins over the file.
Secrets, the payee's account and the name of the environment come from here only; limits, the switch of the
method and the policies are defaults that an owner may change later in the database without a restart.
A value that makes no sense raises ImproperlyConfigured with a sentence that names the variable.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Any

import environ
import structlog
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()
# An empty name means: no file. The tests use it, so that nobody's own .env changes what they see.
_ENV_FILE = os.environ.get("VINFLOW_ENV_FILE", ".env")
if _ENV_FILE and Path(_ENV_FILE).is_file():
    env.read_env(_ENV_FILE)


def _text(name: str, default: str = "") -> str:
    value: str = env.str(name, default)
    return value.strip()


def _switch(name: str, default: bool) -> bool:
    text = _text(name).lower()
    if text in ("on", "true", "yes", "1"):
        return True
    if text in ("off", "false", "no", "0"):
        return False
    if text:
        raise ImproperlyConfigured(f"{name} is {text!r}: say on or off")
    return default


def _choice(name: str, default: str, allowed: Collection[str]) -> str:
    value = _text(name, default).lower()
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}: it must be one of {', '.join(sorted(allowed))}")
    return value


def _names(name: str) -> list[str]:
    return [part.strip() for part in _text(name).split(",") if part.strip()]


# --- The process ------------------------------------------------------------------------------------------

VINFLOW_HOME = Path(_text("VINFLOW_HOME", "var")).absolute()

DEBUG = _switch("DEBUG", False)
SECRET_KEY = _text("SECRET_KEY")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is empty: set it to 50 random characters (sessions and signed links hang on it), "
            "or set DEBUG=on for a try"
        )
    SECRET_KEY = secrets.token_urlsafe(50)
# Keys of before: they still open what they closed (sessions, kept second factors), and close nothing new.
SECRET_KEY_FALLBACKS = _names("SECRET_KEY_FALLBACKS")

ALLOWED_HOSTS = _names("ALLOWED_HOSTS") or ["127.0.0.1", "localhost", "[::1]"]
CSRF_TRUSTED_ORIGINS = _names("CSRF_TRUSTED_ORIGINS")

# Signs the ledger's chain of blocks; kept apart from the database it watches over.
VINFLOW_LEDGER_KEY = _text("VINFLOW_LEDGER_KEY")

VINFLOW_SITE_NAME = _text("VINFLOW_SITE_NAME")
VINFLOW_SUPPORT_CONTACT = _text("VINFLOW_SUPPORT_CONTACT")
# Where phones reach the site, for the way back from a bank app; empty: the request's own host.
VINFLOW_PUBLIC_URL = _text("VINFLOW_PUBLIC_URL").rstrip("/")
# Hosts besides this site's own that a payer may be led back to after a checkout.
VINFLOW_RETURN_HOSTS = _names("VINFLOW_RETURN_HOSTS")
# How the pages look: addresses of a logo, of the official KHQR word mark, of a style sheet of colours.
VINFLOW_LOGO = _text("VINFLOW_LOGO")
VINFLOW_KHQR_ARTWORK = _text("VINFLOW_KHQR_ARTWORK")
VINFLOW_BRAND_CSS = _text("VINFLOW_BRAND_CSS")
VINFLOW_THEME = _choice("VINFLOW_THEME", "auto", ("auto", "light", "dark"))
VINFLOW_MAINTENANCE = _switch("VINFLOW_MAINTENANCE", False)
# Receipts by e-mail, to payers who have an address; on as soon as there is a mail server to send them by.
VINFLOW_RECEIPT_MAIL = _switch(
    "VINFLOW_RECEIPT_MAIL", not (_text("EMAIL_URL") or "consolemail:").startswith("consolemail")
)
# Who looks for transfers: a thread inside each web process, or `vinflow watch` beside them.
VINFLOW_WATCHER = _choice("VINFLOW_WATCHER", "inline", ("inline", "none"))
# Opens /metrics to a scraper that sends it as a Bearer token; empty: signed-in staff alone.
VINFLOW_METRICS_TOKEN = _text("VINFLOW_METRICS_TOKEN")
# Where receipts of manual deposits lie, never a served folder; empty: `evidence` in VINFLOW_HOME.
VINFLOW_EVIDENCE_FOLDER = _text("VINFLOW_EVIDENCE_FOLDER")
# Where large exports lie until they are taken away, a day at most; empty: `exports` in VINFLOW_HOME.
VINFLOW_EXPORT_FOLDER = _text("VINFLOW_EXPORT_FOLDER")
# Whether staff must sign in with a second factor (an authenticator app); a try with DEBUG=on does without.
VINFLOW_STAFF_TWO_FACTOR = _switch("VINFLOW_STAFF_TWO_FACTOR", not DEBUG)
# Where `vinflow manage staff_alerts` sends what needs attention.
VINFLOW_ALERT_EMAILS = _names("VINFLOW_ALERT_EMAILS")
VINFLOW_ALERT_WEBHOOK = _text("VINFLOW_ALERT_WEBHOOK")
VINFLOW_ALERT_WEBHOOK_SECRET = _text("VINFLOW_ALERT_WEBHOOK_SECRET")
VINFLOW_TELEGRAM_TOKEN = _text("VINFLOW_TELEGRAM_TOKEN")
VINFLOW_TELEGRAM_CHAT = _text("VINFLOW_TELEGRAM_CHAT")
# A callable run inside the crediting transaction in place of the wallet, by its dotted name.
VINFLOW_FUNDS_HANDLER = _text("VINFLOW_FUNDS_HANDLER")
# Its counterpart for refunds and claw-backs of such money: package.module.function
VINFLOW_REFUND_HANDLER = _text("VINFLOW_REFUND_HANDLER")
# Hosting without a worker: the status address makes the due checks itself.
VINFLOW_STATUS_CHECKS = _switch("VINFLOW_STATUS_CHECKS", False)
# A file that holds whole seconds by which the site's clock is moved: for demonstrations and tests only.
VINFLOW_CLOCK_OFFSET_FILE = _text("VINFLOW_CLOCK_OFFSET_FILE")

INSTALLED_APPS = [
    "vinflow.wallet.apps.WalletConfig",
    "vinflow.payments.apps.PaymentsConfig",
    "vinflow.storefront.apps.StorefrontConfig",
    "vinflow.backoffice.apps.BackofficeConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
]

MIDDLEWARE = [
    "vinflow.project.logs.RequestContextMiddleware",
    "django.middleware.security.SecurityMiddleware",
    # Pads what it compresses at random, so that a secret beside what was typed cannot be guessed by size.
    "django.middleware.gzip.GZipMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "vinflow.storefront.middleware.Maintenance",
    "vinflow.storefront.middleware.AccountLanguage",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "vinflow.backoffice.second_factor.SecondFactor",
]

ROOT_URLCONF = "vinflow.project.urls"
WSGI_APPLICATION = "vinflow.project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "vinflow.storefront.context.storefront",
            ],
        },
    },
]

# --- The database -----------------------------------------------------------------------------------------

# A writer waits its turn instead of failing half-way (IMMEDIATE), readers never wait for it (WAL), and a
# commit that was answered survives a power cut (FULL).
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
}


def database(url: str) -> dict[str, Any]:
    """Return Django's description of the database at url (sqlite:///file, postgres://user@host/name).

    A relative SQLite file is made absolute here and its folder is made, so that a later change of the
    working directory cannot open a second, empty wallet. Requests are never one transaction each: a payment
    asks the network between two of its own, and must not hold a lock meanwhile.
    """
    try:
        row: dict[str, Any] = environ.Env.db_url_config(url)
    except Exception as error:
        raise ImproperlyConfigured("DATABASE_URL cannot be read: sqlite:///file or postgres://...") from error
    if not row.get("ENGINE"):
        raise ImproperlyConfigured("DATABASE_URL cannot be read: sqlite:///file or postgres://...")
    if row["ENGINE"] == "django.db.backends.sqlite3":
        if row["NAME"] != ":memory:":
            file = Path(row["NAME"]).absolute()
            file.parent.mkdir(parents=True, exist_ok=True)
            row["NAME"] = str(file)
        row["OPTIONS"] = {**row.get("OPTIONS", {}), **SQLITE_OPTIONS}
    else:
        row["CONN_MAX_AGE"] = 60
        row["CONN_HEALTH_CHECKS"] = True
    row["ATOMIC_REQUESTS"] = False
    return row


DATABASES = {"default": database(_text("DATABASE_URL") or f"sqlite:///{VINFLOW_HOME / 'vinflow.sqlite3'}")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = _text("REDIS_URL")
if REDIS_URL:  # sign-in limits are then counted once for all web processes, not once for each
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

# --- KHQR: the first three alone are enough ---------------------------------------------------------------
# Handed on as they were written: vinflow.payments.conf knows their defaults and bounds, and the checks at
# start-up say which of them cannot be.

KHQR_API_URL = _text("KHQR_API_URL")
KHQR_MERCHANT_ID = _text("KHQR_MERCHANT_ID")
KHQR_API_KEY = _text("KHQR_API_KEY")

KHQR_PROTOCOL = _text("KHQR_PROTOCOL")
KHQR_ENVIRONMENT = _text("KHQR_ENVIRONMENT")
KHQR_API_EMAIL = _text("KHQR_API_EMAIL")
KHQR_MERCHANT_NAME = _text("KHQR_MERCHANT_NAME")
KHQR_MERCHANT_CITY = _text("KHQR_MERCHANT_CITY")
KHQR_RECEIVERS = _names("KHQR_RECEIVERS")
KHQR_TIMEOUT_S = _text("KHQR_TIMEOUT_S")
KHQR_QR_LIFETIME_S = _text("KHQR_QR_LIFETIME_S")
KHQR_GRACE_S = _text("KHQR_GRACE_S")
KHQR_WATCH_S = _text("KHQR_WATCH_S")
KHQR_DAILY_CALLS = _text("KHQR_DAILY_CALLS")
KHQR_QUOTA_RESET = _text("KHQR_QUOTA_RESET")
KHQR_EXCHANGE_KEPT_DAYS = _text("KHQR_EXCHANGE_KEPT_DAYS")
KHQR_RECONCILE_DAYS = _text("KHQR_RECONCILE_DAYS")
KHQR_PROXY = _text("KHQR_PROXY")
VINFLOW_NEWCOMERS_SHARE = _text("VINFLOW_NEWCOMERS_SHARE")

# --- Accounts ---------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_USERNAME_MIN_LENGTH = 3
MFA_ADAPTER = "vinflow.backoffice.second_factor.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True  # staff made by hand have no letter to answer
MFA_TOTP_TOLERANCE = 1  # a phone's clock may be half a minute off

_mail: dict[str, Any] = environ.Env.email_url_config(_text("EMAIL_URL") or "consolemail://")
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST = _mail.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = bool(_mail.get("EMAIL_USE_TLS"))
EMAIL_USE_SSL = bool(_mail.get("EMAIL_USE_SSL"))
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = _text("DEFAULT_FROM_EMAIL", "VinFlow <no-reply@localhost>")

# --- Words, times, files ----------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("km", "ខ្មែរ")]
LANGUAGE_COOKIE_SAMESITE = "Lax"
TIME_ZONE = "Asia/Phnom_Penh"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
# Files are served out of the packages themselves, so a clone needs no collecting step. With a folder here,
# `vinflow manage collectstatic` fills it for a web server in front.
STATIC_ROOT = _text("VINFLOW_STATIC_ROOT") or None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 0 if DEBUG else 3600

# --- What a browser may do with our pages -----------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"

VINFLOW_HTTPS = _switch("VINFLOW_HTTPS", not DEBUG)
SECURE_SSL_REDIRECT = VINFLOW_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$"]  # a balancer asks by plain http, on the inside
SECURE_HSTS_SECONDS = 31_536_000 if VINFLOW_HTTPS else 0
SESSION_COOKIE_SECURE = VINFLOW_HTTPS
CSRF_COOKIE_SECURE = VINFLOW_HTTPS
LANGUAGE_COOKIE_SECURE = VINFLOW_HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "vinflow.storefront.pages.errors.csrf_failed"
# Believe X-Forwarded-Proto and the last X-Forwarded-For only where a proxy of ours writes them: without
# one, any visitor could.
if _switch("VINFLOW_BEHIND_PROXY", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    ALLAUTH_TRUSTED_PROXY_COUNT = 1

# --- Logs: one JSON object a line, on standard error ------------------------------------------------------

_stamps: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
structlog.configure(
    processors=[*_stamps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _stamps,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        },
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {
        "handlers": ["stderr"],
        "level": _choice("LOG_LEVEL", "info", ("debug", "info", "warning", "error")).upper(),
    },
    "loggers": {
        "django": {"level": "INFO"},
        "django.server": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "httpx2": {"level": "WARNING"},
        "httpcore2": {"level": "WARNING"},
    },
}
