"""What settings must be together, and what follows from them.

Entry point: `Coherent`.
"""

from typing import Literal, Self

from pydantic import model_validator

from policies.document import Policy
from policies.errors import choose_from
from policies.files import read_policies, shipped_policies
from service.configured import ConfiguredPolicies
from service.loopback import is_loopback
from service.settings.declared import DEMO_MODEL, Declared
from service.state.options import StateOptions

AUDIT_IN_REDIS = "redis"
"""The audit log that is no file."""


class Coherent(Declared):
    """Settings that go together."""

    @model_validator(mode="after")
    def _policies_are_gathered(self) -> Self:
        """Add the folder's policies to those given here; the shipped ones where there are none."""
        from_folder = read_policies(self.policy_folder) if self.policy_folder is not None else {}
        for name in from_folder.keys() & self.policies.keys():
            raise ValueError(
                f"policies: {name!r} is in the folder {self.policy_folder} too. Keep one of the two."
            )
        self.policies.update(from_folder)
        if not self.policies:
            self.policies.update(shipped_policies())
        return self

    @model_validator(mode="after")
    def _floor_is_there(self) -> Self:
        if isinstance(self.floor, str) and self.floor not in self.policies:
            raise ValueError(
                f"floor: there is no policy {self.floor!r}. {choose_from(self.floor, self.policies)}"
            )
        return self

    @model_validator(mode="after")
    def _default_policy_is_there(self) -> Self:
        if self.default_policy not in self.policies:
            raise ValueError(
                f"default_policy: there is no policy {self.default_policy!r}. "
                f"{choose_from(self.default_policy, self.policies)}"
            )
        return self

    @model_validator(mode="after")
    def _screen_can_be_opened(self) -> Self:
        if self.screen == "oracle" and self.model != DEMO_MODEL:
            raise ValueError(
                f"screen_detector: the oracle cannot read the pictures of {self.model!r}. Set clip or nudenet."
            )
        if self.screen == "clip" and self.screen_clip is None:
            raise ValueError("screen_detector: clip needs a model. Set screen_clip to the folder of one.")
        return self

    @model_validator(mode="after")
    def _tenants_have_floors(self) -> Self:
        for name, tenant in self.tenants.items():
            if isinstance(tenant.floor, str) and tenant.floor not in self.policies:
                raise ValueError(
                    f"tenants.{name}.floor: there is no policy {tenant.floor!r}. "
                    f"{choose_from(tenant.floor, self.policies)}"
                )
        return self

    @model_validator(mode="after")
    def _nobody_gets_round_the_keys(self) -> Self:
        if self.keys is not None and self.allow_anonymous:
            raise ValueError(
                "allow_anonymous: there are keys, which it would get round. Leave one of the two out."
            )
        if self.keys is None and self.tenants:
            raise ValueError("tenants: without keys nobody is one of them. Set keys to the file of keys.")
        if self.keys is None and not self.allow_anonymous and not is_loopback(self.host):
            raise ValueError(
                f"host: without keys the service listens to this machine alone, and {self.host!r} is for others too. "
                "Set keys (make them with 'trimtab keys create'), or host to 127.0.0.1; or set allow_anonymous "
                "where whoever reaches the service may generate."
            )
        return self

    @model_validator(mode="after")
    def _times_go_together(self) -> Self:
        if self.timeout_s > self.max_timeout_s:
            raise ValueError(
                f"timeout_s: {self.timeout_s:g} seconds are more than max_timeout_s, {self.max_timeout_s:g}. "
                "Raise the one or lower the other."
            )
        if self.drain_delay_s > self.grace_s:
            raise ValueError(
                f"drain_delay_s: {self.drain_delay_s:g} seconds are more than the whole grace_s, {self.grace_s:g}. "
                "Raise the one or lower the other."
            )
        return self

    @model_validator(mode="after")
    def _audit_log_can_be_kept(self) -> Self:
        if self.audit_log == AUDIT_IN_REDIS and self.redis_url is None:
            raise ValueError("audit_log: redis needs a Redis. Set redis_url, or audit_log to a file.")
        return self

    @model_validator(mode="after")
    def _credentials_are_whole(self) -> Self:
        if (self.c2pa_certificate is None) != (self.c2pa_key is None):
            missing = "c2pa_key" if self.c2pa_key is None else "c2pa_certificate"
            raise ValueError(f"{missing}: images are signed with both a certificate and its key. Set it too.")
        return self

    @property
    def guards_against_pages(self) -> bool:
        """Whether requests are refused that a web page may have had a browser send."""
        return bool(self.allowed_hosts) or (self.keys is None and not self.allow_anonymous)

    @property
    def held_floor(self) -> Policy | None:
        """The policy that holds for every request."""
        return self.policies[self.floor] if isinstance(self.floor, str) else self.floor

    @property
    def configured_policies(self) -> ConfiguredPolicies:
        """The policies, with the floors."""
        return ConfiguredPolicies(self.policies, self.default_policy, self.held_floor, self.tenants)

    @property
    def state_options(self) -> StateOptions:
        """How the store keeps its state."""
        return StateOptions(
            job_attempts=self.job_attempts,
            max_waiting_jobs=self.max_waiting_jobs,
            claim_kept_s=self.claim_kept_s,
            result_kept_s=self.result_kept_s,
            vector_store=self.vector_store,
        )

    @property
    def screen(self) -> Literal["oracle", "clip", "nudenet", "none"]:
        """The screen detector, with "auto" resolved."""
        if self.screen_detector == "auto":
            return "oracle" if self.model == DEMO_MODEL else "none"
        return self.screen_detector
