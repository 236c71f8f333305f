"""Django's settings, all from the environment (README, "Settings"). Nothing here connects to anything."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from . import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

# --- Weir's own -------------------------------------------------------------------------------------------------
WEIR_DATA = env.folder("WEIR_DATA", str(BASE_DIR / ".weir"))
WEIR_PUBLIC_URL = env.url("WEIR_PUBLIC_URL", ("http", "https"), bare=True).rstrip("/")
WEIR_SAMPLES_URL = env.text("WEIR_SAMPLES_URL")
if WEIR_SAMPLES_URL:
    raise ImproperlyConfigured(
        "WEIR_SAMPLES_URL is set, but this version keeps samples in its data folder only; unset it."
    )
WEIR_BROKERS = env.secret("WEIR_BROKERS").split()
WEIR_RETENTION_RAW = env.duration("WEIR_RETENTION_RAW", "48h")
WEIR_RETENTION_MINUTE = env.duration("WEIR_RETENTION_MINUTE", "30d")
WEIR_RETENTION_HOUR = env.duration("WEIR_RETENTION_HOUR", "400d")
WEIR_RETENTION_DISK = env.size("WEIR_RETENTION_DISK")
WEIR_RETENTION_LETTERS = env.duration("WEIR_RETENTION_LETTERS", "30d")
WEIR_RETENTION_JOURNALS = env.duration("WEIR_RETENTION_JOURNALS", "90d")
WEIR_RETENTION_JOURNALS_DISK = env.size("WEIR_RETENTION_JOURNALS_DISK") or 2 << 30
WEIR_RETENTION_BODIES = env.duration("WEIR_RETENTION_BODIES", "24h")
WEIR_PAYLOADS = env.choice("WEIR_PAYLOADS", ("operator", "admin", "nobody"), "operator")
WEIR_METRICS_PUBLIC = env.flag("WEIR_METRICS_PUBLIC")
WEIR_CHROMIUM = env.text("WEIR_CHROMIUM", "/usr/bin/chromium")
REDIS_URL = env.url("REDIS_URL", ("redis", "rediss", "unix"))

# --- Secrets ----------------------------------------------------------------------------------------------------
DATABASE_URL = env.url("DATABASE_URL", ("postgres", "postgresql", "sqlite"))
_SHARED = DATABASE_URL.startswith("postgres")
SECRET_KEY, *SECRET_KEY_FALLBACKS = env.keys(
    "WEIR_SECRET_KEY", env.kept_secret("WEIR_SECRET_KEY", WEIR_DATA / "secret_key", make=not _SHARED)
)
#: One or more keys, newest first, separated by white space: all can read, the first one writes.
WEIR_ENCRYPTION_KEYS = env.keys(
    "WEIR_ENCRYPTION_KEY", env.kept_secret("WEIR_ENCRYPTION_KEY", WEIR_DATA / "encryption_key", make=not _SHARED)
)

# --- Web --------------------------------------------------------------------------------------------------------
_public = urlsplit(WEIR_PUBLIC_URL)
ALLOWED_HOSTS = env.text("WEIR_ALLOWED_HOSTS", "localhost 127.0.0.1 [::1]").replace(",", " ").split()
if _public.hostname and _public.hostname not in ALLOWED_HOSTS:
    ALLOWED_HOSTS.append(_public.hostname)
_https = _public.scheme == "https"
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"] if WEIR_PUBLIC_URL else []
FORCE_SCRIPT_NAME = _public.path or None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "weir_session", "weir_csrf"
SESSION_COOKIE_AGE = 14 * 86400
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_HSTS_SECONDS = 31536000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SECURE_SSL_REDIRECT = False  # the proxy in front ends TLS and redirects
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]  # the proxy's business, said in the README
if not _https:  # plain HTTP on loopback or inside a closed network: cookies cannot be "secure", HSTS means nothing
    SILENCED_SYSTEM_CHECKS += ["security.W004", "security.W012", "security.W016"]
DEBUG = False
ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"

INSTALLED_APPS = [
    "daphne",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "csp",
    "axes",
    "ninja",
    "dashboard",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "dashboard.statics.StaticFiles",
    "csp.middleware.CSPMiddleware",
    "dashboard.api.errors.ErrorsAsJSON",  # around all that may refuse a request
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.views.header.header",
            ],
        },
    },
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "connect-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}

# --- Data -------------------------------------------------------------------------------------------------------
DATABASES = {
    "default": dj_database_url.parse(DATABASE_URL or f"sqlite:///{WEIR_DATA / 'weir.sqlite3'}", conn_max_age=600)
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",  # WAL mode: database.py
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People -----------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "dashboard.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = "sign_in", "queues", "sign_in"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "dashboard.views.sign_in.locked_out"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# --- Words, files, logs -----------------------------------------------------------------------------------------
LANGUAGE_CODE, TIME_ZONE, USE_I18N, USE_TZ = "en", "UTC", False, True
STATIC_URL = f"{_public.path}/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 0  # always revalidated by ETag; static/vendor is kept a day (dashboard.statics)

WEIR_LOG_LEVEL = env.choice("WEIR_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO")
WEIR_LOG_FORMAT = env.choice("WEIR_LOG_FORMAT", ("text", "json"), "text")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": "dashboard.logs.JSONFormatter"},
    },
    "filters": {"brief": {"()": "dashboard.logs.Brief"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": WEIR_LOG_FORMAT, "filters": ["brief"]}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "weir": {"level": WEIR_LOG_LEVEL},
        "daphne": {"level": "WARNING"},
        "axes": {"level": "ERROR"},
        "apprise": {"level": "CRITICAL"},  # its lines may name tokens
        "django.request": {"level": "ERROR"},
    },
}
