"""The sentences and number formats of a report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from training.models.registry import CONTENDERS
from training.selection.verdict import FEWEST_OUTCOMES, MARGIN, HorizonVerdict, Verdict

METHOD_NAMES = {kind: contender.appearance.title for kind, contender in CONTENDERS.items()}
NOTHING = "–"


class MethodNames(dict):
    """Method -> display name; a method without one is shown by its kind."""

    def __missing__(self, method: str) -> str:
        return method


NAMES = MethodNames(METHOD_NAMES)


def name_methods(sentence: str) -> str:
    """The gate's sentence with the methods' display names in place of their kinds."""
    return re.sub(r"(?<=of )\w+(?= is|,)|\w+(?= expected)", lambda kind: NAMES[kind[0]], sentence)


def write_verdict(verdict: Verdict) -> str:
    """The verdict and its reasons as sentences, without claims beyond what the tests show."""
    candidate, promoted = start_sentence(NAMES[verdict.candidate]), start_sentence(NAMES[verdict.promoted])
    causes = _list_causes(verdict)
    if causes:
        is_other = verdict.promoted != verdict.candidate
        instead = "scores instead" if is_other else "still scores, because no better one is available"
        return f"{candidate}: refused. {start_sentence(', and '.join(causes))}. {promoted} {instead}.{_ask(verdict)}"
    if verdict.unjudged:
        return f"{candidate}: cannot be judged.{_ask(verdict)}"
    better = f"Nowhere measurably worse than its contender by {MARGIN} of log loss"
    if missed := [h for h in verdict.horizons if h.calibration and not h.calibration.ok]:
        return f"{candidate}: passes. {better}, but its calibration misses at {join_days(missed)}."
    return f"{candidate}: passes. {better}; no test of its calibration speaks against it."


def _list_causes(verdict: Verdict) -> list[str]:
    """Why the candidate is refused; empty if it is not."""
    judged = [h for h in verdict.horizons if h.is_judged]
    found = {
        "its log loss is worse than the contender's at {}": [h for h in judged if not h.log_loss_ok],
        "its calibration is worse than chance explains and than that of the contender at {}": [
            h for h in judged if h.refuses_calibration
        ],
    }
    return [text.format(join_days(horizons)) for text, horizons in found.items() if horizons]


def _ask(verdict: Verdict) -> str:
    """A sentence about missing outcomes, which leave the decision to a person; empty if none are missing."""
    if not verdict.unjudged:
        return ""
    missing = [h for h in verdict.horizons if not h.is_judged]
    least = min((min(h.churned, h.n - h.churned) for h in missing), default=0)
    return (
        f" Too few outcomes to judge {join_days(missing)}: it takes {FEWEST_OUTCOMES} customers who churned and as "
        f"many who stayed, and there are as few as {least}. A person decides whether it scores."
    )


def write_level(horizon: HorizonVerdict) -> str:
    """A sentence with the expected and actual churn at the gate; empty if no outcome is known."""
    test = horizon.calibration
    if test is None:
        return ""
    fits = "within chance" if test.level_ok else "more than chance explains"
    return (
        f"{horizon.horizon_days} days: expected {write_percent(test.expected)}, saw {write_percent(test.churned)} of "
        f"{test.n:,} (z {write_signed(test.z, 1)}, {fits})."
    )


def join_days(horizons: Sequence[HorizonVerdict]) -> str:
    """The horizons as a text like "30, 60 and 90 days"."""
    *most, last = (str(h.horizon_days) for h in horizons)
    return f"{', '.join(most)} and {last} days" if most else f"{last} days"


def write_calibration_note(verdict: Verdict) -> str:
    """Sentences about the horizons at which the candidate fails a calibration test, and whether the contender fails
    too; empty if it fails none."""
    failed = [h for h in verdict.horizons if h.calibration and not h.calibration.ok]
    if not failed:
        return ""
    levels = " ".join(write_level(h) for h in failed)
    also = [h for h in failed if h.contender_calibration and not h.contender_calibration.ok]
    if not also:
        return f"{levels} The contenders pass the same calibration tests."
    return (
        f"{levels} The contender fails the calibration tests as well at {join_days(also)}: the miss is shared, as it "
        "is when a season or a trend turns after the cut-off."
    )


def group_facts(facts: Mapping[str, object]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Pairs of a title and its (name, value) rows: single facts first, then every group."""
    loose = [(name, write_fact(value)) for name, value in facts.items() if not isinstance(value, Mapping)]
    if loose:
        yield "Model", loose
    for title, group in facts.items():
        if isinstance(group, Mapping) and group:
            yield start_sentence(title), [(str(name), write_fact(value)) for name, value in group.items()]


def write_fact(value: object) -> str:
    match value:
        case None:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case date():
            return write_day(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case list() | tuple():
            return ", ".join(map(write_fact, value))
        case _:
            return str(value)


def write_day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def start_sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def write_percent(value: float | None, digits: int = 1) -> str:
    return NOTHING if value is None else f"{value:.{digits}%}".replace("%", " %")


def write_number(value: float | None, digits: int = 3) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def write_money(value: float) -> str:
    return f"{value:,.0f}".replace("-", "−")


def write_signed(value: float | None, digits: int = 4) -> str:
    if value is None:
        return NOTHING
    text = f"{value:+.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text.replace("-", "−")


def write_cell(value: object) -> str:
    """Text for a cell of a Markdown table, with all special characters escaped."""
    text = " ".join(str(value).split())
    return "".join("\\" + letter if letter in r"\`*_[]<>|#!" else letter for letter in text)
