"""Roles change by two owners, by nobody alone: not on the page, not in Django's admin, not in the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

PAGE = "/admin/settings/people/"
ROLE = "/admin/settings/people/role/"


@pytest.fixture
def owners(shop: Any, signed_in: Callable[..., Any]) -> tuple[Any, Any]:
    """Two owners' clients."""
    return signed_in("owner", "first-owner"), signed_in("owner", "second-owner")


def proposed(client: Any, name: str, role: str, **more: str) -> Any:
    from vinflow.backoffice.models import RoleProposal

    form = {"act": "propose", "name": name, "role": role, "kind": "role", "why": "hired today"}
    client.post(ROLE, form | more)
    return RoleProposal.objects.filter(decision="").order_by("-pk").first()


def decided(client: Any, proposal: Any, act: str = "approve") -> None:
    client.post(ROLE, {"act": act, "proposal": str(proposal.pk)})
    proposal.refresh_from_db()


def role(name: str) -> str:
    from django.contrib.auth import get_user_model

    from vinflow.backoffice.people import role_of

    return role_of(get_user_model().objects.get(username=name))


@pytest.mark.both
def test_a_role_is_given_by_two_owners_and_taken_by_two(shop: Any, owners: tuple[Any, Any]) -> None:
    first, second = owners
    shop.payer("dara")

    proposal = proposed(first, "dara@shop.example", "manager")
    assert role("dara") == ""
    decided(first, proposal)
    assert (proposal.decision, role("dara")) == ("", "")  # nobody approves what they proposed
    decided(second, proposal)
    assert (proposal.decision, role("dara")) == ("approved", "manager")

    decided(second, proposed(first, "dara", "cashier"))
    assert role("dara") == "cashier"
    gone = proposed(second, "dara", "")
    decided(first, gone)
    assert role("dara") == ""
    page = first.get(PAGE).content.decode()
    assert page.count('data-testid="role-change"') == 3


@pytest.mark.both
def test_nobody_decides_about_themselves(shop: Any, owners: tuple[Any, Any], signed_in: Any) -> None:
    first, second = owners
    assert proposed(first, "first-owner", "cashier") is None
    about_second = proposed(first, "second-owner", "cashier")

    decided(second, about_second)

    assert (about_second.decision, role("second-owner")) == ("", "owner")
    page = second.get(PAGE).content.decode()
    assert 'data-testid="role-proposal"' in page
    assert 'data-testid="role-approve"' not in page
    decided(signed_in("admin"), about_second)  # a superuser is a second person like any other
    assert role("second-owner") == "cashier"


@pytest.mark.both
def test_the_rows_themselves_want_three_people(shop: Any, owners: tuple[Any, Any]) -> None:
    from django.db import IntegrityError, transaction

    from vinflow.backoffice.models import RoleProposal

    shop.payer("dara")
    proposal = proposed(owners[0], "dara", "owner")
    for culprit in (proposal.proposed_by_id, proposal.subject_id):
        with pytest.raises(IntegrityError), transaction.atomic():
            RoleProposal.objects.filter(pk=proposal.pk).update(
                decision="approved", decided_by=culprit, decided_at=shop.at
            )
    with pytest.raises(IntegrityError), transaction.atomic():
        RoleProposal.objects.filter(pk=proposal.pk).update(proposed_by=proposal.subject_id)


def test_what_cannot_be_meant_is_refused_with_a_sentence(shop: Any, owners: tuple[Any, Any]) -> None:
    first, _second = owners
    shop.payer("dara")
    shop.staff("admin")
    wrong = [
        ({"name": "nobody-at-all"}, "There is no one person of this name."),
        ({"name": "\x00"}, "There is no one person of this name."),
        ({"role": "king"}, "There is no such role."),
        ({"kind": "crown"}, "There is no such role."),
        ({"why": "  x "}, "Say why"),
        ({"name": "the-admin"}, "A superuser is made and unmade on the machine itself"),
        ({"role": ""}, "Nothing to save"),
    ]
    for change, sentence in wrong:
        form = {"act": "propose", "name": "dara", "role": "manager", "kind": "role", "why": "hired"} | change
        page = first.post(ROLE, form, follow=True).content.decode()
        assert sentence in page, change
        assert 'data-testid="role-proposal"' not in page

    waits = proposed(first, "dara", "manager")
    assert (
        "Another proposal is waiting already."
        in first.post(
            ROLE,
            {"act": "propose", "name": "dara", "role": "owner", "kind": "role", "why": "again"},
            follow=True,
        ).content.decode()
    )
    decided(first, waits, "reject")
    assert (waits.decision, role("dara")) == ("rejected", "")


def test_a_role_that_moved_meanwhile_makes_the_proposal_void(shop: Any, owners: tuple[Any, Any]) -> None:
    from django.contrib.auth.models import Group

    user = shop.staff("cashier", "dara")
    proposal = proposed(owners[0], "dara", "manager")
    user.groups.set([Group.objects.get(name="accountant")])

    decided(owners[1], proposal)

    assert (proposal.decision, role("dara")) == ("", "accountant")


def test_a_lost_second_factor_is_taken_away_by_two(shop: Any, owners: tuple[Any, Any]) -> None:
    from allauth.mfa.models import Authenticator

    user = shop.staff("manager", "dara")
    Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})
    proposal = proposed(owners[0], "dara", "", kind="second_factor", why="lost the phone")
    assert Authenticator.objects.filter(user=user).exists()

    decided(owners[1], proposal)

    assert not Authenticator.objects.filter(user=user).exists()
    assert role("dara") == "manager"


def test_each_change_of_roles_is_told(shop: Any, owners: tuple[Any, Any]) -> None:
    from vinflow.backoffice import alerting

    shop.payer("dara")
    proposal = proposed(owners[0], "dara", "owner")
    told = {note.key: note for note in alerting.events(at=shop.at)}
    assert told[f"role_{proposal.pk}_open"].url == PAGE

    decided(owners[1], proposal)
    keys = {note.key for note in alerting.events(at=shop.at)}
    assert f"role_{proposal.pk}_approved" in keys
    assert f"role_{proposal.pk}_open" not in keys


def test_a_superuser_alone_gives_no_right_in_djangos_admin(shop: Any, signed_in: Any) -> None:
    from allauth.mfa.models import Authenticator
    from django.contrib.auth.models import Group

    admin = signed_in("admin")
    payer, manager = shop.payer("dara"), shop.staff("manager")
    manager.email = "manager@shop.example"
    manager.save()
    factor = Authenticator.objects.create(user=manager, type="totp", data={"secret": "the-secret-of-it"})
    group = Group.objects.get(name="cashier")
    everything = {
        "username": "renamed",
        "email": "thief@shop.example",
        "is_active": "on",
        "is_staff": "on",
        "is_superuser": "on",
        "groups": [str(Group.objects.get(name="owner").pk)],
        "date_joined_0": "2026-11-24",
        "date_joined_1": "05:00:00",
    }

    admin.post(f"/admin/site/auth/user/{payer.pk}/change/", everything)
    payer.refresh_from_db()
    assert (payer.username, payer.is_staff, payer.is_superuser) == ("renamed", False, False)
    assert not payer.groups.exists()

    admin.post(f"/admin/site/auth/user/{manager.pk}/change/", everything)
    manager.refresh_from_db()
    assert (manager.username, manager.email, manager.is_superuser) == (
        "the-manager",
        "manager@shop.example",
        False,
    )
    assert [one.name for one in manager.groups.all()] == ["manager"]
    assert admin.get(f"/admin/site/auth/user/{manager.pk}/password/").status_code == 403
    assert admin.get(f"/admin/site/auth/user/{payer.pk}/password/").status_code == 200
    assert admin.post(f"/admin/site/auth/user/{manager.pk}/delete/", {"post": "yes"}).status_code == 403

    del everything["is_active"]
    admin.post(f"/admin/site/auth/user/{manager.pk}/change/", everything)
    manager.refresh_from_db()
    assert manager.is_active is False  # switching off is always allowed
    admin.post(f"/admin/site/auth/user/{manager.pk}/change/", everything | {"is_active": "on"})
    manager.refresh_from_db()
    assert manager.is_active is False

    for path in (
        f"auth/group/{group.pk}/delete/",
        f"mfa/authenticator/{factor.pk}/delete/",
        "auth/group/add/",
    ):
        assert admin.post(f"/admin/site/{path}", {"post": "yes"}).status_code == 403, path
    shown = admin.get(f"/admin/site/mfa/authenticator/{factor.pk}/change/").content.decode()
    assert "the-secret-of-it" not in shown


def test_the_machine_names_the_first_two_owners_and_no_third(shop: Any, capsys: Any) -> None:
    from django.core.management import CommandError, call_command

    for name in ("one", "two", "three"):
        shop.payer(name)

    call_command("staff_role", "one", "owner")
    call_command("staff_role", "two@shop.example", "owner")
    with pytest.raises(CommandError, match="two owners"):
        call_command("staff_role", "three", "cashier")

    assert "one is owner now" in capsys.readouterr().out
    assert (role("one"), role("two"), role("three")) == ("owner", "owner", "")


def test_the_page_takes_at_most_twelve_queries(
    shop: Any, owners: tuple[Any, Any], django_assert_max_num_queries: Any
) -> None:
    for n in range(30):
        shop.staff("cashier", f"cashier-{n}")
    for n in range(3):
        proposed(owners[0], f"cashier-{n}", "manager")

    with django_assert_max_num_queries(12):
        assert owners[1].get(PAGE).status_code == 200
