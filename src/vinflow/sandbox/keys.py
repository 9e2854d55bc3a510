"""Who may call, and how often: e-mail addresses, tokens, and the calls each token has left today."""

from __future__ import annotations

from vinflow.sandbox import tokens
from vinflow.sandbox.clock import PHNOM_PENH_MS, day_of
from vinflow.sandbox.errors import SandboxError, WrongMoment
from vinflow.sandbox.state import State

__all__ = ["LIFE_S_MAX", "Keys"]

LIFE_S_MAX = 315_360_000  # ten years


class Keys(State):
    """Tokens by e-mail, and the quota of each. The class on top sets _secret, environment, merchant_md5."""

    _secret: bytes
    environment: str
    merchant_md5: str
    token: str

    def _forget(self) -> None:
        super()._forget()
        self._emails: dict[str, list[str]] = {}  # ids of the tokens each was given, oldest first
        self._revoked: set[str] = set()
        self._used: dict[tuple[str, str], int] = {}  # by token id and quota day

    def _load(self) -> None:
        super()._load()
        for email, ids in self._store.rows("email", tuple[str, list[str]]):
            self._emails[email] = ids
        for revoked in self._store.rows("revoked", str):
            self._revoked.add(revoked)
        for token_id, day, used in self._store.rows("quota", tuple[str, str, int]):
            self._used[token_id, day] = used

    def add_email(self, email: str) -> None:
        """Register an e-mail address, so that tokens can be renewed with it."""
        with self.lock:
            self._emails.setdefault(email, [])
            self._store.put("email", email, (email, self._emails[email]))

    def remove_email(self, email: str) -> None:
        """Forget an e-mail address; its tokens stay good."""
        with self.lock:
            self._emails.pop(email, None)
            self._store.drop("email", email)

    def knows_email(self, email: str) -> bool:
        """Whether an e-mail address is registered."""
        with self.lock:
            return email in self._emails

    def issue_token(
        self,
        *,
        email: str | None = None,
        hosted: bool = False,
        merchant: str | None = None,
        life_s: int = tokens.LIFE_S,
        age_s: int = 0,
        environment: str | None = None,
    ) -> str:
        """Return a new token.

        email: whose it is; registered when new. hosted: a token of the guide's dialect, for merchant (the
        test merchant when left out). age_s: how long ago it was issued: age_s=life_s + 1 is an expired one.
        environment: another one's name gives a token that is refused here.
        """
        if not (0 <= life_s <= LIFE_S_MAX and -LIFE_S_MAX <= age_s <= LIFE_S_MAX):
            raise WrongMoment(f"a token of {life_s!r} seconds, {age_s!r} seconds old")
        with self.lock:
            mark = tokens.MARK.get(environment or self.environment, "00000000")
            issued_s = self.clock.now_ms() // 1000 - age_s
            claims = tokens.Claims(
                id=mark + self.draw("token")[:4].hex(),
                issued_s=issued_s,
                expires_s=issued_s + life_s,
                merchant=(merchant or self.merchant_md5) if hosted or merchant else None,
            )
            if email is not None:
                self._emails.setdefault(email, []).append(claims.id)
                self._store.put("email", email, (email, self._emails[email]))
            return tokens.issue(claims, self._secret)

    def expired_token(self, *, email: str | None = None) -> str:
        """Return a token whose 90 days ended a minute ago."""
        return self.issue_token(email=email, age_s=tokens.LIFE_S + 60)

    def read_token(self, token: str) -> tokens.Claims | None:
        """Return what a token says when it is good now, else None."""
        claims = tokens.read(token, self._secret)
        if claims is None:
            return None
        with self.lock:
            foreign = claims.environment not in (None, self.environment)
            if foreign or claims.id in self._revoked or claims.expires_s * 1000 <= self.clock.now_ms():
                return None
            return claims

    def is_expired(self, token: str) -> bool:
        """Whether a token is ours and only its time is over."""
        claims = tokens.read(token, self._secret)
        return claims is not None and claims.expires_s * 1000 <= self.clock.now_ms()

    def revoke_token(self, token: str) -> None:
        """Refuse a token from now on."""
        claims = tokens.read(token, self._secret)
        if claims is not None:
            self._revoke(claims.id)

    def _revoke(self, token_id: str) -> None:
        with self.lock:
            self._revoked.add(token_id)
            self._store.put("revoked", token_id, token_id)

    def newest_token_of(self, email: str) -> str | None:
        """Return the id of the token an e-mail got last, None when it has none."""
        with self.lock:
            ids = self._emails.get(email)
            return ids[-1] if ids else None

    def renew(self, email: str) -> str | None:
        """Return a fresh token for a registered e-mail, None for an unknown one."""
        with self.lock:
            if email not in self._emails:
                return None
            if self.switches.renewal_revokes:
                for old in self._emails[email]:
                    self._revoke(old)
            return self.issue_token(email=email)

    def _day(self) -> str:
        shift = PHNOM_PENH_MS if self.switches.quota_reset == "phnom_penh" else 0
        return f"{self.switches.quota_reset}/{day_of(self.clock.now_ms(), shift_ms=shift)}"

    def spend(self, token_id: str, units: int) -> bool:
        """Take units from a token's day; False when they are not there, and then none are taken."""
        with self.lock:
            key = (token_id, self._day())
            used = self._used.get(key, 0)
            quota = self.switches.quota
            allowed = quota is None or used + units <= quota  # without a quota calls are counted all the same
            if allowed or self.switches.quota_counts_refused:
                self._used[key] = used + units
                self._store.put("quota", "/".join(key), (*key, used + units))
            return allowed

    def used(self, token: str | None = None) -> int:
        """Return how many metered calls a token (the test token when left out) has spent today."""
        claims = tokens.read(self.token if token is None else token, self._secret)
        with self.lock:
            return 0 if claims is None else self._used.get((claims.id, self._day()), 0)

    def set_used(self, units: int, token: str | None = None) -> None:
        """Say how many calls a token has spent today."""
        claims = tokens.read(self.token if token is None else token, self._secret)
        if claims is None:
            raise SandboxError("this token was not issued here")
        with self.lock:
            key = (claims.id, self._day())
            self._used[key] = units
            self._store.put("quota", "/".join(key), (*key, units))
