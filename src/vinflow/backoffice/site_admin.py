"""Django's own admin under /admin/site/, narrowed: no page of it gives a right or takes one's second factor.

Roles, staff and second factors change by two owners (people.py). A superuser may still make plain users,
mend a payer's name or address, and switch anybody off; switching staff on again is giving a role.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.sites import AdminSite
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse

__all__ = ["narrow"]

RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """A table to look at."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no."""
        return False


class Groups(ReadOnly, GroupAdmin):
    """The roles' rights: the table in rights.py is the law."""


class Authenticators(ReadOnly):
    """Who has a second factor; its secrets are not shown."""

    list_display = ("user", "type", "created_at", "last_used_at")
    exclude = ("data",)


class People(UserAdmin):  # type: ignore[type-arg]
    """Users: payers as Django has them, staff to look at and to switch off."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the rights always, and every name of a member of staff."""
        fields = (*super().get_readonly_fields(request, obj), *RIGHTS)
        if obj is None or not _is_staff(obj):
            return fields
        # Whoever sets the address or the password of staff could come in as them.
        return (*fields, "username", "password", "email", *(() if obj.is_active else ("is_active",)))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no for staff: who did what is kept by their names."""
        return super().has_delete_permission(request, obj) and not (obj is not None and _is_staff(obj))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Refuse for staff: they set their own by letter."""
        from django.core.exceptions import PermissionDenied

        user = self.get_object(request, id)
        if user is not None and _is_staff(user):
            raise PermissionDenied("staff set their own password")
        return super().user_change_password(request, id, form_url)


def _is_staff(user: Any) -> bool:
    return bool(user.is_staff or user.is_superuser)


def narrow(site: AdminSite) -> None:
    """Put these tables in place of those that Django and allauth registered."""
    from allauth.mfa.models import Authenticator

    tables: tuple[tuple[Any, Any], ...] = (
        (get_user_model(), People),
        (Group, Groups),
        (Authenticator, Authenticators),
    )
    for model, table in tables:
        if site.is_registered(model):
            site.unregister(model)
        site.register(model, table)
