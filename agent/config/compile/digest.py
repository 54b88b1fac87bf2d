"""The digest of a rule: it changes when anything that decides about its events does.

Rules for whoever changes this: wording, chattering, maintenance and trials decide nothing about the
machine, so an alarm goes on under them as if nothing had changed; what is new in a spec counts, unless
it is taken out here.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from agent.rules.spec import PLAIN, AlarmSpec, Condition, RuleSpec


def with_digest(spec: RuleSpec) -> RuleSpec:
    """Fill in the digest."""
    digest = hashlib.sha256(repr(_deciding(spec)).encode()).hexdigest()[:16]
    return replace(spec, digest=digest)


def _deciding(spec: RuleSpec) -> RuleSpec:
    gate = replace(spec.gate, maintenance=(), trial_until=None)
    plain = replace(spec, name="", rule="", was=(), digest="", wording=PLAIN, gate=gate)
    if isinstance(plain, AlarmSpec):
        return replace(plain, conditions=tuple(_without_messages(plain.conditions)), chattering=None)
    return plain


def _without_messages(conditions: Iterable[Condition]) -> Iterable[Condition]:
    return (replace(condition, say=replace(condition.say, message=None)) for condition in conditions)
