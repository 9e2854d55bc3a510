"""Where each address of the site leads."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from vinflow.backoffice import site_admin
from vinflow.storefront.pages import errors

# One door for everybody: Django's own sign-in knows no second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
site_admin.narrow(admin.site)

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("admin/site/", admin.site.urls),  # users and groups; no row of money is registered there
    path("", include("vinflow.backoffice.urls")),
    path("", include("vinflow.storefront.urls")),
]

handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
