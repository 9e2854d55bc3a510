"""Addresses of the shop."""

from django.urls import path

from shop import views

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("add-funds/", views.add_funds, name="add_funds"),
    path("order/<slug:dish>/", views.order, name="order"),
    path("pay/<str:reference>/", views.checkout, name="checkout"),
    path("pay/<str:reference>/status/", views.status, name="status"),
]
