"""The pages put into a site half way: what they miss around them is named with the line to add."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from django.urls import clear_url_caches


def said() -> dict[str, str]:
    return {m.id: f"{m.msg} {m.hint}" for m in run_checks() if m.id.startswith("storefront")}


def test_a_whole_site_hears_nothing() -> None:
    assert said() == {}


def test_a_missing_context_processor_is_named(settings: Any) -> None:
    settings.TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

    assert '"vinflow.storefront.context.storefront"' in said()["storefront.E004"]


@pytest.mark.parametrize("urlconf", ["allauth.urls", "vinflow.storefront.urls"])
def test_a_missing_address_is_named(settings: Any, urlconf: str) -> None:
    settings.ROOT_URLCONF = urlconf
    clear_url_caches()

    found = said()["storefront.E005"]

    assert 'include("vinflow.storefront.urls")' in found or 'include("allauth.urls")' in found


def test_pages_that_would_never_be_khmer_are_named(settings: Any) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Locale" not in name]

    assert "LocaleMiddleware" in said()["storefront.W002"]
