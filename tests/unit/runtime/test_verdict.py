"""When a new release is worse: counts of new and old, and the answer by the rule in docs/how-to/releases.md."""

import random

import pytest

from channels_stack.commands.verdict import Comparison, Count, binomial, hypergeometric


def compared(new: tuple[int, int], old: tuple[int, int], floor: float = 0.02) -> Comparison:
    return Comparison("answers are 5xx", floor, Count(*new), Count(*old))


@pytest.mark.parametrize(
    ("new", "old", "worse"),
    [
        ((0, 100), (0, 300), False),
        ((30, 100), (0, 300), True),
        ((30, 100), (90, 300), False),
        ((2, 2), (0, 300), False),
        ((4, 4), (0, 300), True),
        ((4, 4), (0, 4), False),
        ((4, 100), (0, 100), False),
        ((4, 100), (0, 5000), True),
        ((2, 200), (1, 600), False),
        ((100, 10000), (0, 30000), False),
        ((10, 10), (0, 0), True),
        ((0, 0), (150, 300), False),
        ((100, 100), (50, 100), False),
    ],
    ids=[
        "both well",
        "a third fails",
        "both fail alike",
        "one visitor's two",
        "everything fails, and little came",
        "everything fails, and nobody knows the old one",
        "few of few",
        "few, and the old one never",
        "a little more of few",
        "many, below the floor",
        "none to compare with",
        "nobody came to the new one",
        "twice as many: not three times",
    ],
)
def test_worse(new, old, worse):
    assert compared(new, old).worse is worse, compared(new, old).chance


def test_suspicion_without_proof():
    few = compared((4, 20), (0, 21))
    assert few.suspicious and not few.worse
    assert compared((16, 80), (0, 84)).worse
    assert not compared((1, 80), (0, 84)).suspicious


def test_of_what_is_slow_the_old_one_may_have_many():
    """A third of its own answers are slow: three times as many there cannot be."""
    assert not compared((70, 100), (100, 300)).worse
    slow = Comparison("answers took over 1 s", 0.05, Count(70, 100), Count(100, 300), more=0.2)
    assert slow.worse
    assert not Comparison("answers took over 1 s", 0.05, Count(50, 100), Count(100, 300), more=0.2).worse
    assert not Comparison("answers took over 1 s", 0.05, Count(4, 100), Count(0, 300), more=0.2).worse


def test_what_comes_in_bursts_has_to_be_more():
    """A new process on a machine at a load of 50, and one with a page that waits."""
    for new, old, worse in (
        ((10, 13), (5, 26), False),
        ((8, 16), (5, 57), False),
        ((16, 32), (10, 114), True),
    ):
        found = Comparison("answers took over 0.25 s", 0.3, Count(*new), Count(*old), more=0.35, burst=2)
        assert found.worse is worse and found.undecided, (new, found.chance)


def test_it_is_reported_with_its_numbers():
    assert str(compared((12, 40), (0, 131))) == "12 of 40 answers are 5xx, 0 of 131 of the old release"


def test_the_chances_are_those_of_the_books():
    """Fisher's tea: 3 or 4 of 4 cups of 8; five sixes of five throws."""
    assert hypergeometric(3, 4, 4, 8) == pytest.approx(17 / 70)
    assert hypergeometric(4, 4, 4, 8) == pytest.approx(1 / 70)
    assert binomial(5, 5, 1 / 6) == pytest.approx((1 / 6) ** 5)
    assert hypergeometric(0, 10, 5, 100) == pytest.approx(1)


@pytest.mark.parametrize("bad_times", [False, True], ids=["as ever", "in bad times"])
def test_nor_by_its_history(bad_times):
    """A few rare jobs each look, after hundreds of the old release. In bad times more fail than ever before, of both."""
    chance = random.Random(14)
    aborted = 0
    for _ in range(2000):
        before = chance.choice([0.0, 0.001, 0.01, 0.05, 0.2])
        share = max(before, chance.choice([0.02, 0.1, 0.5, 1.0])) if bad_times else before
        history = Count(sum(chance.random() < before for _ in range(300)), 300)
        new, old = [0, 0], [0, 0]
        for _look in range(45):
            for count in (new, old):
                count[0] += chance.random() < share
                count[1] += 1
            if Comparison("jobs failed", 0.05, Count(*new), Count(*old), history=history).worse:
                aborted += 1
                break
    assert aborted <= (120 if bad_times else 5)


def test_a_release_that_is_no_worse_is_hardly_ever_taken_for_one():
    """A thousand pairs of releases that fail alike, looked at fifteen times each as their visitors come."""
    chance = random.Random(14)
    aborted = 0
    for _ in range(1000):
        share = chance.choice([0.0, 0.01, 0.05, 0.2, 0.5])
        new, old = [0, 0], [0, 0]
        for _look in range(15):
            for count, visitors in ((new, 10), (old, 30)):
                count[0] += sum(chance.random() < share for _ in range(visitors))
                count[1] += visitors
            if compared((new[0], new[1]), (old[0], old[1])).worse:
                aborted += 1
                break
    assert aborted <= 5
