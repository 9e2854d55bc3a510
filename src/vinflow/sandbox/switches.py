"""Where nobody knows what Bakong does, there is a switch: its default, and the other answers seen or feared.

A client is right only when it is right under every setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from vinflow.sandbox.errors import WrongSwitch

__all__ = ["CHOICES", "Switches"]

# The first of each list is the default. Switches that are not listed here take any whole number or bool.
CHOICES: Mapping[str, tuple[Any, ...]] = {
    "bad_request_status": (400, 200),
    "list_bounds_status": (400, 200),
    "md5_list": ("closed", "open"),
    "list_shape": ("data", "transaction", "inline"),
    "static_qr": ("code_1", "code_2", "found"),
    "quota_reset": ("phnom_penh", "utc"),
    "amounts": ("shortest", "point_zero", "string"),
    "milliseconds": ("integer", "float"),
    "optional_fields": ("null", "absent", "filled", "minimal"),
    "key_order": ("usual", "reversed"),
    "paid_twice": ("first", "last"),
    "failed_attempt": ("code_3", "code_1"),
    "short_link": ("page_link", "own"),
    "unauthorized_status": (401, 200),
    "geo_block": ("off", "nginx", "cloudfront"),
    "hosted_not_paid": ("not_found_404", "null_404", "null_200", "not_found_200", "pending_200"),
}


@dataclass(frozen=True, slots=True)
class Switches:
    """One setting of every switch. Frozen: change() makes another.

    quota: metered calls a day for each token, None for no limit.
    quota_reset: the day ends at midnight in Phnom Penh, or at midnight UTC.
    quota_list_each: a list call costs one unit for each entry instead of one for all.
    quota_counts_refused: a call refused for the quota still counts.
    quota_counts_renewal, _deeplink, _account: whether those calls are metered (when they carry a token).
    token_everywhere: the deeplink and the account check demand a token too.
    expired_token_403: an expired token on the open md5 list meets a bare 403 page instead of 401.
    optional_fields: null, left out, filled with plausible values, or "minimal": dates left out as well.
    error_code_on_success: whether "errorCode": null stands in a success.
    list_short: the last item of a list answer is missing. list_keys: items echo what was asked for.
    acknowledge_delay_s: how long after paying Bakong has the transfer, unless the payer says otherwise.
    hosted_lifetime_s: how long a KHQR made by the hosted gateway may be paid.
    phone_pin: the phone asks for a PIN. any_receiver: accounts nobody created may receive.
    """

    bad_request_status: int = 400
    list_bounds_status: int = 400
    md5_list: str = "closed"
    list_shape: str = "data"
    list_short: bool = False
    list_keys: bool = True
    static_qr: str = "code_1"
    token_everywhere: bool = False
    expired_token_403: bool = False
    quota: int | None = 100
    quota_reset: str = "phnom_penh"
    quota_list_each: bool = False
    quota_counts_refused: bool = False
    quota_counts_renewal: bool = False
    quota_counts_deeplink: bool = True
    quota_counts_account: bool = True
    renewal_revokes: bool = False
    amounts: str = "shortest"
    milliseconds: str = "integer"
    optional_fields: str = "null"
    error_code_on_success: bool = True
    extra_keys: bool = False
    key_order: str = "usual"
    paid_twice: str = "first"
    failed_attempt: str = "code_3"
    short_link: str = "page_link"
    unauthorized_status: int = 401
    geo_block: str = "off"
    user_agent_filter: bool = False
    acknowledge_delay_s: int = 0
    hosted_not_paid: str = "not_found_404"
    hosted_lifetime_s: int = 600
    phone_pin: bool = True
    any_receiver: bool = False

    def change(self, **changes: Any) -> Self:
        """Return these switches with some of them set otherwise. Raises WrongSwitch; then nothing changed."""
        kinds = {field.name: str(field.type) for field in fields(self)}
        for name, value in changes.items():
            if name not in kinds:
                raise WrongSwitch(f"no switch is called {name!r}")
            if name in CHOICES:
                if type(value) not in (str, int) or value not in CHOICES[name]:
                    raise WrongSwitch(f"{name} is one of {CHOICES[name]}, not {value!r}")
            elif kinds[name] == "bool":
                if type(value) is not bool:
                    raise WrongSwitch(f"{name} is true or false, not {value!r}")
            elif value is None and kinds[name] == "int | None":
                continue
            elif type(value) is not int or not 0 <= value <= 1_000_000_000:
                raise WrongSwitch(f"{name} is a whole number from 0 to a thousand million, not {value!r}")
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Return every switch by name, ready for JSON."""
        return asdict(self)
