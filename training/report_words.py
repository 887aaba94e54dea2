"""In which words and figures does a report speak? Verdicts as sentences, numbers as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from training.evaluate import Predictions
from training.verdict import MARGIN, HorizonVerdict, Verdict

METHOD_NAMES = {
    "recency": "recency alone",
    "bgnbd": "BG/NBD",
    "logistic": "logistic regression",
    "boosting": "boosted trees",
    "lstm": "LSTM network",
    "average": "average of methods",
    "blend": "fitted blend of methods",
}
NOTHING = "–"


class MethodNames(dict):
    """A method without a name for people goes by its own."""

    def __missing__(self, method: str) -> str:
        return method


NAMES = MethodNames(METHOD_NAMES)


def name_methods(sentence: str) -> str:
    """The gate's sentence with the methods' names in place of their kinds."""
    return re.sub(r"(?<=of )(\w+)(?= is|,)", lambda kind: NAMES[kind[0]], sentence)


def write_verdict(verdict: Verdict) -> str:
    """What the gate says, and why."""
    candidate, promoted = start_sentence(NAMES[verdict.candidate]), start_sentence(NAMES[verdict.promoted])
    if verdict.passed:
        calibrated = ", and as well calibrated as chance allows" if not verdict.warnings else ""
        return f"{candidate}: passes. Nowhere surely worse than its contender by {MARGIN} of log loss{calibrated}."
    found = {
        "nobody's outcome is known yet at {}": [h for h in verdict.horizons if not h.comparison],
        "its log loss is worse than the contender's at {}": [
            h for h in verdict.horizons if h.comparison and not h.log_loss_ok
        ],
        "its calibration error is larger than chance explains at {}": [
            h for h in verdict.horizons if h.refuses_calibration
        ],
    }
    causes = [text.format(join_days(horizons)) for text, horizons in found.items() if horizons]
    instead = "scores instead" if verdict.promoted != verdict.candidate else "still scores, for want of a better one"
    return f"{candidate}: refused. {start_sentence(', and '.join(causes))}. {promoted} {instead}."


def join_days(horizons: Sequence[HorizonVerdict]) -> str:
    """30, 60 and 90 days."""
    *most, last = (str(h.horizon_days) for h in horizons)
    return f"{', '.join(most)} and {last} days" if most else f"{last} days"


def write_calibration_note(predictions: Predictions, verdict: Verdict) -> str:
    """Whether the contenders would pass the calibration test themselves; empty where the candidate passed it."""
    failed = [h for h in verdict.horizons if not h.ece_ok and h.comparison]
    if not failed:
        return ""
    also = [h for h in failed if not h.contender_ece_ok]
    if not also:
        return "The contenders pass the same calibration test."
    return (
        f"The contender fails the same calibration test at {join_days(also)}: the miss is shared, as it is when a "
        "season or a trend turns after the cut-off."
    )


def group_facts(facts: Mapping[str, object]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Tables of (name, value): loose facts first, then every group under its title."""
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
    """Text for a cell of a Markdown table: nothing in it ends the cell or starts markup."""
    text = " ".join(str(value).split())
    return "".join("\\" + letter if letter in r"\`*_[]<>|#!" else letter for letter in text)
