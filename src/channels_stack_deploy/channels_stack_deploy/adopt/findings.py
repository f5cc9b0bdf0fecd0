"""What is found, and where: the words that all readers of a project have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..console import printable


@dataclass(frozen=True)
class Line:
    """A line of stack.env; WHY says what of the project makes it, with file:line."""

    name: str
    value: str
    why: str

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


@dataclass
class Findings:
    """What a reader found: LINES of stack.env, QUESTIONS that only a person can answer, and NOTES."""

    lines: list[Line] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def line(self, name: str, value: str, why: str) -> None:
        """Add one line; a question where VALUE cannot be one: names are a stranger's text, and could begin lines of their own."""
        why = printable(why, lines=False)
        shown = printable(value, lines=False)
        if shown == value:
            self.lines.append(Line(name, value, why))
        else:
            self.questions.append(
                f"{name}: {shown} ({why}) holds what ends a line or is not shown; give it another name, then adopt again"
            )

    def add(self, other: Findings) -> None:
        """Take in what another reader found."""
        self.lines += other.lines
        self.questions += other.questions
        self.notes += other.notes
