"""What a ramp has found, for people: words, bars, a picture, and the settings that it would change."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ..config import texts
from ..console import say
from ..local import up
from ..local.compose import replace
from ..paths import Deployment
from . import advice, model, plot
from .model import Step
from .prediction import Prediction
from .ramp import Ramp


def progress(done: Step) -> str:
    """A line for a step."""
    words = [f"{done.visitors:>6} visitors" + (" who ask together" if done.together else "")]
    if done.visitors:
        words.append(f"{done.rate:6.1f} pages/s  p95 {model.milliseconds(done.pages.quantile(0.95)):>7}")
    if done.open:
        words.append(f"{done.open:>6} sockets")
    if done.messages.count:
        late = model.milliseconds(done.messages.quantile(0.95))
        words.append(f"{done.heard / done.seconds:5.0f} messages/s  p95 {late:>7}")
    words.append(f"machine {done.busy / done.cores:.0%}")
    if done.busiest:
        words.append(f"{done.busiest} {done.services[done.busiest].utilisation:.0%}")
    return "  ".join(words)


def tell(deployment: Deployment, settings: dict[str, str], ramp: Ramp, *, apply: bool) -> None:
    """Print what RAMP has found, draw it, and write the changes where they are to APPLY."""
    knee, best = ramp.knee(), ramp.best
    say()
    for row in plot.bars(ramp.steps, ramp.bounds):
        say(f"  {row}")
    say()
    for words in [*conclusion(ramp), *circumstances(best)]:
        say(words)
    last = ramp.worst or best
    spare = max(0.0, last.cores - last.busy + last.generator)
    found = advice.advise(knee, settings, last.services, spare)
    for words in found.words:
        say(f"  {words}")
    say(f"  {draw(deployment, ramp, up.address(settings), found.changes)}")
    for name, value in found.changes.items():
        say(f"  {name}={value}    (is {settings[name]})")
    place = deployment.shown(deployment.settings)
    if found.changes and apply:
        text = texts.read(deployment.settings)
        replace(deployment.settings, advice.written(text, found.changes))
        say(f"  written to {place}; {deployment.verb('up')} makes it take effect")
    elif found.changes:
        say(f"  {deployment.verb('capacity')} APPLY=yes writes that to {place}")


def conclusion(ramp: Ramp) -> list[str]:
    """The knee, what was predicted of it, and the limit."""
    knee, prediction, worst = ramp.knee(), ramp.prediction, ramp.worst
    best = knee.step
    lines = [f"Knee: {best.visitors} visitors, {best.rate:.0f} pages a second, {best.open} sockets"]
    if prediction:
        share = prediction.visitors / max(best.visitors, 1)
        lines.append(f"  {predicted(prediction)}; that is {share:.0%} of the knee")
    lines.append(f"  the limit: {knee.limit.text if knee.limit else 'none was reached'}")
    if worst:
        lines.append(f"  seen at {worst.visitors} visitors: {'; '.join(model.symptoms(worst, ramp.bounds))}")
    return lines


def predicted(prediction: Prediction) -> str:
    """PREDICTION, and from how much of that load it was made."""
    return (
        f"predicted from steps of up to {prediction.share:.0%} of that load: {prediction.visitors} visitors, "
        f"limited by {prediction.limit.text}"
    )


def circumstances(best: Step) -> list[str]:
    """What the figures hold for: this machine, with the visitors and other programs on it."""
    lines = []
    factor = model.without_visitors(best)
    if factor > 1.02:
        lines.append(
            f"  the visitors of this run used {best.generator:.1f} of {best.cores} processors; with visitors elsewhere: "
            f"about {int(best.visitors * factor)}"
        )
    if best.others > 0.1 * best.cores:
        lines.append(f"  other programs and the kernel used {best.others:.1f} of {best.cores} processors")
    return lines


def draw(deployment: Deployment, ramp: Ramp, where: str, changes: dict[str, str]) -> str:
    """Write the plot and the figures, with the CHANGES that are advised, into the folder of DEPLOYMENT; their names."""
    plotted, figures = deployment.folder / "capacity.svg", deployment.folder / "capacity.json"
    title = f"{where}, {time.strftime('%Y-%m-%d %H:%M')}, {ramp.steps[0].cores} processors"
    plotted.write_text(plot.svg(title, ramp.steps, ramp.bounds, ramp.knee(), ramp.prediction))
    content = {
        "knee": ramp.best.visitors,
        "predicted": ramp.prediction and ramp.prediction.visitors,
        "predicted_from": ramp.prediction and ramp.prediction.seen,
        "limit": ramp.knee().limit and vars(ramp.knee().limit),
        "changes": changes,
        "together": ramp.together and facts(ramp.together),
        "steps": [facts(step) for step in ramp.steps],
    }
    figures.write_text(json.dumps(content, indent=1) + "\n")
    return f"plot: {shown(plotted)}, figures: {shown(figures)}"


def shown(path: Path) -> str:
    """PATH, from here where it is below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def facts(done: Step) -> dict[str, Any]:
    """A step for who reads JSON."""
    return {
        "visitors": done.visitors,
        "pages_per_second": round(done.rate, 2),
        "page_seconds": {str(share): round(done.pages.quantile(share), 4) for share in (0.5, 0.95, 0.99)},
        "message_seconds": {str(share): round(done.messages.quantile(share), 4) for share in (0.5, 0.95)},
        "answers": done.answers,
        "handshakes": done.sockets,
        "sockets": done.open,
        "machine_cores_busy": round(done.busy, 3),
        "visitors_cores": round(done.generator, 3),
        "connections": done.connections,
        "services": {
            name: {"cores": round(each.cores, 3), "of": each.cores_limit, "memory": each.memory}
            for name, each in done.services.items()
        },
    }
