"""Which numbers of visitors are tried, one after the other, until the knee is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .model import Bounds, Knee, Step, alone, cause, symptoms
from .prediction import Prediction, predict

FIRST = 10
NEAR = 0.3
"""The utilisation that the first steps lead to, by factors from 1.5 to 5."""

FEWEST_SEEN = 0.2
"""The utilisation at which the demand is known well enough to predict."""

LEAST_SEEN, MOST_SEEN = 0.4, 0.55
"""Of the predicted visitors, from which they ask together once, and up to which a step refines the prediction: beyond, it would
come with the knee itself."""

FINE = 1.08
"""How near the last good and the first bad number of visitors are at the end."""

TOWARDS = (0.35, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5)
"""Parts of the prediction that are tried, one after the other."""


@dataclass
class Ramp:
    """Which numbers of visitors are tried."""

    bounds: Bounds
    steps: list[Step] = field(default_factory=list)
    """The first is without visitors."""
    prediction: Prediction | None = None
    together: Step | None = None
    """The step in which visitors asked together."""

    def add(self, step: Step) -> list[str]:
        """STEP is done; its symptoms."""
        if step.together:
            self.together = step
            self.prediction = self.predicted()
            return []
        self.steps.append(step)
        wrong = symptoms(step, self.bounds) if step.visitors else []
        if self.refines(step, wrong):
            self.prediction = self.predicted()
        return wrong

    def predicted(self) -> Prediction | None:
        """By all that is known now."""
        return predict([one for one in self.steps if self.good(one)], self.bounds, self.together)

    def refines(self, step: Step, wrong: list[str]) -> bool:
        """Whether STEP, with what was WRONG in it, says more about the knee, and is no part of it."""
        if self.prediction is None:
            return len(self.steps) > 2 and (bool(wrong) or step.utilisation > FEWEST_SEEN)
        return not wrong and not self.together and step.visitors <= MOST_SEEN * self.prediction.visitors

    @property
    def gathers(self) -> bool:
        """Whether the visitors of the next step are to ask together: once, when the prediction comes to its end."""
        if self.prediction is None or self.together or self.worst or not self.best.rate:
            return False
        return self.best.visitors > LEAST_SEEN * self.prediction.visitors

    def good(self, step: Step) -> bool:
        """Whether the visitors of STEP were served well."""
        return not step.visitors or not symptoms(step, self.bounds)

    @property
    def best(self) -> Step:
        """The most visitors that were served well, below those that never were."""
        worst = self.worst
        return max(
            (one for one in self.steps if self.good(one) and (not worst or one.visitors < worst.visitors)),
            key=lambda one: one.visitors,
        )

    @property
    def worst(self) -> Step | None:
        """The fewest visitors that were not served well; a number that was tried twice counts by its better step."""
        well = {one.visitors for one in self.steps if self.good(one)}
        bad = [one for one in self.steps if one.visitors not in well]
        return min(bad, key=lambda one: one.visitors, default=None)

    def following(self) -> int | None:
        """How many visitors to try next; None: the knee is known."""
        best, worst = self.best.visitors, self.worst
        if self.gathers:
            return best
        if worst:
            tried = Counter(one.visitors for one in self.steps)
            if tried[worst.visitors] < 2:
                return worst.visitors  # one bad step may be another program's
            if worst.visitors <= best * FINE or worst.visitors - best <= 1:
                return None
            return max(best + 1, round((max(best, 1) * worst.visitors) ** 0.5))
        if self.prediction is None:
            return max(FIRST, round(best * min(5, max(1.5, NEAR / max(self.best.utilisation, 0.01)))))
        wanted = (round(part * self.prediction.visitors) for part in TOWARDS)
        return next((number for number in wanted if number > best * FINE), round(best * 1.3) + 1)

    def knee(self) -> Knee:
        """What is known now."""
        worst = self.worst
        return Knee(self.best, cause(worst, self.bounds, alone(self.steps)) if worst else None)
