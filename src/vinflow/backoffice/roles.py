"""The four groups of the table in rights.py, made by the migration and put back when they are missing."""

from __future__ import annotations

from typing import Any

from django.apps import apps as registry

from vinflow.backoffice.rights import RIGHTS, ROLES

__all__ = ["after_migrate", "give", "install"]


def install(apps: Any, alias: str) -> None:
    """Make the rights and the groups that are missing.

    A group that is there keeps the rights an owner gave or took: only a new one is filled.
    apps: Django's registry, or a migration's own.
    """
    kinds = apps.get_model("contenttypes", "ContentType").objects.using(alias)
    kind, _made = kinds.get_or_create(app_label="backoffice", model="staffact")
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    made = {
        name: permissions.get_or_create(content_type=kind, codename=name, defaults={"name": sentence})[0]
        for name, sentence in RIGHTS.items()
    }
    groups = apps.get_model("auth", "Group").objects.using(alias)
    for role, rights in ROLES.items():
        group, is_new = groups.get_or_create(name=role)
        if is_new:
            group.permissions.set([made[right] for right in rights])


def after_migrate(*, using: str, apps: Any = registry, **_rest: Any) -> None:
    """Install once the tables are there; connected to post_migrate, also after a test's flush."""
    try:
        apps.get_model("backoffice", "StaffAct")
        apps.get_model("auth", "Group")
    except LookupError:
        return
    install(apps, using)


def give(apps: Any, alias: str, right: str, roles: tuple[str, ...]) -> None:
    """Give a new right to groups that are there already; for the migration that brings the right."""
    install(apps, alias)
    permission = (
        apps.get_model("auth", "Permission")
        .objects.using(alias)
        .get(content_type__app_label="backoffice", codename=right)
    )
    for group in apps.get_model("auth", "Group").objects.using(alias).filter(name__in=roles):
        group.permissions.add(permission)
