"""What is told of a plan: the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from partition.findings import Finding
from partition.proof.optimality import Optimality
from partition.reasons.judgement import Judgement
from partition.wishes.policy import Profile


@dataclass(frozen=True)
class Report:
    """What a plan achieves, what it does not, and what was done to the input.

    seed and effort are those the plan was made with, None for a plan that was drawn elsewhere. seconds and
    cpu_seconds: by step, as in `clock.Clock`, summed over all communities, also where several were worked on
    at once. optimality: how far each community's plan is from the best possible, where it was asked for.
    """

    profile: Profile
    judgement: Judgement
    findings: tuple[Finding, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    seed: int | None = None
    effort: int | None = None
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    optimality: tuple[Optimality, ...] = ()

    @property
    def violations(self) -> tuple[Finding, ...]:
        return self.judgement.violations

    @property
    def sound(self) -> bool:
        """Whether every promise is kept and every grid out of range has a proven reason."""
        return self.judgement.sound

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, ready for JSON."""
        rules = self.profile
        sizes = {"size": rules.size, "second": rules.second, "rural": rules.rural}
        return {
            "profile": rules.name,
            **{name: asdict(size) for name, size in sizes.items() if size is not None},
            "wishes": list(rules.wishes),
            "balance": rules.balance,
            "seed": self.seed,
            "effort": self.effort,
            "figures": self.judgement.figures,
            "communities": self.judgement.communities,
            "grids": self.judgement.grids,
            "violations": [finding.to_dict() for finding in self.violations],
            "findings": [finding.to_dict() for finding in self.findings],
            **({"optimality": [one.to_dict() for one in self.optimality]} if self.optimality else {}),
            "cpu_seconds": {step: round(seconds, 3) for step, seconds in self.cpu_seconds.items()},
            "seconds": {step: round(seconds, 3) for step, seconds in self.seconds.items()},
        }
