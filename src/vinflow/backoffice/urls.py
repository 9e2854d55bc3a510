"""Addresses of the staff's pages and of the probes; rights.ADDRESSES says who may open each."""

from __future__ import annotations

from django.urls import path

from vinflow.backoffice.pages import (
    deposits,
    ledger,
    overview,
    payment,
    people,
    probes,
    proposal,
    reconciliation,
    refunds,
    review,
    settings,
    statements,
    transactions,
)

__all__ = ["app_name", "urlpatterns"]

app_name = "backoffice"

urlpatterns = [
    path("health", probes.health, name="health"),
    path("ready", probes.ready, name="ready"),
    path("metrics", probes.metrics, name="metrics"),
    path("admin/", overview.overview, name="overview"),
    path("admin/payments/", overview.overview, name="payments"),
    path("admin/settings/", settings.settings_home, name="settings_home"),
    path("admin/settings/payments/", settings.settings_page, name="settings"),
    path("admin/settings/payments/connection/", settings.test_connection, name="connection"),
    path("admin/settings/payments/safety/", proposal.proposal, name="proposal"),
    path("admin/settings/people/", people.people, name="people"),
    path("admin/settings/people/role/", people.role, name="role"),
    path("admin/transactions/", transactions.transactions, name="transactions"),
    path("admin/transactions/payments.csv", transactions.export_csv, name="export_csv"),
    path("admin/transactions/payments.xlsx", transactions.export_xlsx, name="export_xlsx"),
    path("admin/transactions/<slug:reference>/", payment.payment, name="payment"),
    path("admin/transactions/<slug:reference>/recheck/", payment.recheck, name="recheck"),
    path("admin/transactions/<slug:reference>/note/", payment.note, name="note"),
    path("admin/deposits/", deposits.deposits, name="deposits"),
    path("admin/deposits/new/", deposits.deposit_new, name="deposit_new"),
    path("admin/deposits/<int:pk>/decide/", deposits.deposit_decide, name="deposit_decide"),
    path("admin/deposits/<int:pk>/evidence/", deposits.deposit_evidence, name="deposit_evidence"),
    path("admin/review/", review.review, name="review"),
    path("admin/review/<int:pk>/decide/", review.decide, name="decide"),
    path("admin/review/<int:pk>/approve/", review.approve, name="approve"),
    path("admin/review/<int:pk>/look-up/", review.look_up_return, name="look_up_return"),
    path("admin/review/<int:pk>/withdraw/", review.withdraw, name="withdraw"),
    path("admin/refunds/", refunds.refunds, name="refunds"),
    path("admin/transactions/<slug:reference>/refund/", refunds.refund, name="refund"),
    path("admin/refunds/<int:pk>/approve/", refunds.refund_approve, name="refund_approve"),
    path("admin/refunds/<int:pk>/reject/", refunds.refund_reject, name="refund_reject"),
    path("admin/refunds/<int:pk>/sent/", refunds.refund_sent, name="refund_sent"),
    path("admin/refunds/<int:pk>/look-up/", refunds.refund_look_up, name="refund_look_up"),
    path("admin/refunds/<int:pk>/vouch/", refunds.refund_vouch, name="refund_vouch"),
    path("admin/refunds/<int:pk>/give-up/", refunds.refund_give_up, name="refund_give_up"),
    path("admin/refunds/<int:pk>/take-back/", refunds.refund_take_back, name="refund_take_back"),
    path("admin/ledger/", ledger.ledger, name="ledger"),
    path("admin/ledger/entries/", ledger.entries, name="entries"),
    path("admin/ledger/check/", ledger.check_books, name="check_books"),
    path("admin/ledger/resume/", ledger.resume, name="resume"),
    path("admin/review/<int:pk>/link/", statements.link, name="link"),
    path("admin/reconciliation/", reconciliation.reconciliation, name="reconciliation"),
    path("admin/reconciliation/run/", reconciliation.run, name="run"),
    path("admin/reconciliation/closing/", reconciliation.closing, name="closing"),
    path("admin/reconciliation/statement/", statements.statement, name="statement"),
    path("admin/reconciliation/<int:pk>/", reconciliation.report, name="report"),
    path("admin/reconciliation/<int:pk>/differences.csv", reconciliation.report_csv, name="report_csv"),
    path("admin/reconciliation/<int:pk>/explain/", reconciliation.explain, name="explain"),
]
