"""Do the ids of a shop's customers mean customers, and the same ones in every log? A part of `clean check`.

Looks at all ids as they are given, log by log: words that stand for nobody, one customer who holds an implausible share
of the events, spellings that one setting would make one customer, and logs whose customers the purchases do not know.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.contract.customer_ids import AS_GIVEN, CASE_INSENSITIVE, NUMERIC, CustomerIds, canonical_id

EXAMPLES = 3
#: Words that may be somebody's id, but mostly are nobody's.
MAYBE_NOBODY = {
    "0", "-1", "guest", "guests", "guest user", "gast", "invite", "anonymous", "anon", "anonym", "unknown",
    "unbekannt", "nobody", "noone", "no customer", "na", "n.a.", "nil", "no", "missing", "empty", "blank",
    "default", "dummy", "test", "cash", "cash sale", "walk-in", "walkin", "customer", "visitor", "user", "deleted",
    "removed", "noreply", "no-reply", "false", "tbd", "xx", "xxx", "noemail", "nomail", "no email", "none", "nul",
    "not set", "not registered", "unregistered", "not available", "not provided", "walk-in customer", "walk in",
    "cash customer", "guest customer", "various", "pos", "temp", "kein", "keine", "keiner", "kein kunde",
    "niemand", "leer", "kunde", "barverkauf", "laufkunde", "laufkundschaft", "diverse", "nicht angemeldet",
    "inconnu", "inconnue", "anonyme", "invité", "visiteur", "aucun", "client", "client de passage", "vide",
    "invitado", "anonimo", "anónimo", "desconocido", "ninguno", "nadie", "sin cliente", "visitante", "cliente",
    "vacio", "vacío", "ospite", "sconosciuto", "nessuno", "vuoto", "convidado", "desconhecido", "nenhum", "klant",
    "onbekend", "anoniem", "geen", "gæst", "gjest", "gäst", "okänd", "ukendt", "ukjent", "vieras", "host",
    "neznámý", "gość", "nieznany", "brak", "puste", "misafir", "гость", "аноним", "неизвестно", "нет", "匿名", "游客",
    "访客", "未知", "无", "ゲスト", "不明", "非会員", "게스트", "비회원", "없음",
}  # fmt: skip
_PLACEHOLDER = re.compile(r"-?0+|-?9{4,}|0[0-]+0")  # 000, 9999999, a UUID of zeros
_EXPONENT = re.compile(r"-?[0-9]+(\.[0-9]+)?[eE]\+?[0-9]+")
_MARKS_AROUND = re.compile(r"^(?:mailto:|tel:|[\W_])+|[\W_]+$", re.IGNORECASE)
_WITH_THOUSANDS = re.compile(r"[0-9]{1,3}(?:[.,'’ ][0-9]{3})+")

#: Where so many customers have ids of one kind (numbers, also after a few letters, or addresses), a word among them is
#: hardly a customer.
NEARLY_ALL = 0.98
KINDS = (re.compile(r"^\D{0,5}[0-9][0-9.,' -]*$"), re.compile("@"))
FEWEST_EVENTS, FEWEST_CUSTOMERS = 200, 20  # below, a share says little
LARGE_SHARE, HUGE_SHARE = 0.05, 0.2
TIMES_THE_LARGE, TIMES_THE_LARGE_EVERY_DAY = 20, 5
EVERY_DAY = 0.8
RECENT_DAYS = 28
LINKED, SURELY_UNLINKED = 0.05, 0.01
SPELT_TWICE = 0.01


@dataclass(frozen=True)
class Met:
    """How often an id occurs in a log, and on how many different days."""

    events: int
    days: int


@dataclass(frozen=True)
class LogCustomers:
    """The ids that a log gives, as they are written; day_count: from its first to its last day."""

    log: str
    met: Mapping[str, Met]
    day_count: int = 1

    def by_customer(self, ids: CustomerIds) -> dict[str, Met]:
        """The same by canonical id, without those that stand for nobody."""
        found: dict[str, Met] = {}
        for raw_id, one in self.met.items():
            if customer := ids.read(raw_id):
                other = found.get(customer, Met(0, 0))
                found[customer] = Met(one.events + other.events, max(one.days, other.days))
        return found


def gather_customers(log: str, judged: DataFrame) -> LogCustomers:
    """Who is named in the records that nothing else is wrong with. judged: as records.judge_records gives it."""
    is_fine = (F.col("verdict") == "clean") | (F.col("reasons") == F.array(F.lit("customer_id_missing")))
    named = judged.where(is_fine & F.col("raw_customer_id").isNotNull())
    rows = (
        named.groupBy("raw_customer_id")
        .agg(F.count("*").alias("events"), F.count_distinct("event_day").alias("days"),
             F.min("event_day").alias("first"), F.max("event_day").alias("last"))
        .toArrow().to_pylist()
    )  # fmt: skip
    met = {row["raw_customer_id"]: Met(row["events"], row["days"]) for row in rows}
    first, last = (
        pick((row[name] for row in rows), default=date.min) for pick, name in ((min, "first"), (max, "last"))
    )
    return LogCustomers(log, met, (last - first).days + 1)


def count_changed(judged: DataFrame, zone: str) -> int:
    """How many moments of a customer came again in a later file together with something new: of a log without ids,
    records that have changed, and that count twice. judged: as repeats.mark_repeats gives it.

    Midnight is no moment: where an export tells days only, a later file may well have more of the same day.
    """
    local = F.from_utc_timestamp("event_at", zone)
    moments = judged.where(F.col("verdict").isin("clean", "duplicate") & (local != F.date_trunc("day", local)))
    is_clean = F.col("verdict") == "clean"
    told = moments.groupBy("customer_id", "event_at").agg(
        F.count_if(~is_clean).alias("again"),
        F.count_distinct(F.when(is_clean, F.col("delivery_id"))).alias("files"),
    )
    return told.where("again > 0 AND files > 1").count()


def find_maybe_nobody(customers: Mapping[str, Met], ids: CustomerIds) -> dict[str, int]:
    """The ids that look as if they stood for nobody, with their events; a number among its neighbours does not."""
    usual = high_usual(met.events for met in customers.values())

    def is_one_of_many(customer: str) -> bool:
        number = int(customer) if re.fullmatch("-?[0-9]{1,18}", customer) else None
        has_neighbour = number is not None and {str(number - 1), str(number + 1)} & customers.keys()
        return bool(has_neighbour) and customers[customer].events <= usual

    nobody = {one for one in customers if looks_like_nobody(ids.caseless(one)) and not is_one_of_many(one)}
    found = {one: customers[one].events for one in nobody | find_words_among_numbers(customers)}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def looks_like_nobody(caseless: str) -> bool:
    """A word of MAYBE_NOBODY, also as the name in an e-mail address; a placeholder; no letter or digit at all."""
    name = caseless.partition("@")[0] if "@" in caseless[1:] else caseless
    is_word = {name, name.strip("()[]<>*#_. ")} & MAYBE_NOBODY and (name == caseless or len(name) > 2)
    return bool(is_word) or bool(_PLACEHOLDER.fullmatch(caseless)) or not any(map(str.isalnum, caseless))


def find_words_among_numbers(customers: Collection[str]) -> set[str]:
    """The ids without a digit where nearly all are numbers or e-mail addresses: in any language such a word is rather a
    kind of sale than a customer."""
    words = {customer for customer in customers if "@" not in customer and not any(map(str.isdigit, customer))}
    are_few = len(customers) >= FEWEST_CUSTOMERS and len(words) <= (1 - NEARLY_ALL) * len(customers)
    has_kind = are_few and any(
        sum(bool(kind.search(customer)) for customer in customers) >= NEARLY_ALL * len(customers) for kind in KINDS
    )
    return words if has_kind else set()


def high_usual(events: Iterable[int]) -> int:
    """The 99th percentile."""
    ordered = sorted(events)
    return ordered[-(-99 * len(ordered) // 100) - 1] if ordered else 0


def find_dominant(customers: Mapping[str, Met], day_count: int) -> tuple[str, float] | None:
    """The customer who has more of all events than the shop's others make plausible, and his share.

    A wholesaler may have a large share. An id that stands for nobody has one too, but it is met on nearly every day, or
    has a multiple of what large customers have.
    """
    total = sum(met.events for met in customers.values())
    if total < FEWEST_EVENTS:
        return None
    largest = max(customers, key=lambda customer: customers[customer].events)
    met, usual = customers[largest], high_usual(one.events for name, one in customers.items() if name != largest)
    share, is_met_daily = met.events / total, met.days >= EVERY_DAY * day_count and day_count > 1
    times = TIMES_THE_LARGE_EVERY_DAY if is_met_daily else TIMES_THE_LARGE
    is_huge = share > HUGE_SHARE and met.events > 2 * usual
    return (largest, share) if is_huge or (share > LARGE_SHARE and met.events > times * usual) else None


def find_dominant_key(events: DataFrame, newest: date) -> tuple[str, float] | None:
    """The key of the customer who was met at an implausible share of all moments of the newest days, and that share.

    Moments and not records: one large order has many lines. events: clean ones up to the delivery day `newest`.
    """
    recent = events.where(F.col("delivery_day") > newest - timedelta(days=RECENT_DAYS))
    moments = recent.groupBy("customer_id").agg(F.count_distinct("event_at").alias("moments"))
    alike = moments.groupBy("moments").agg(F.count("*").alias("customers"), F.min("customer_id").alias("key")).collect()
    if not alike:
        return None
    *others, largest = sorted(alike, key=lambda row: row["moments"])
    usual = high_usual(row["moments"] for row in others for _ in range(row["customers"]))
    total = sum(row["moments"] * row["customers"] for row in alike)
    is_alone = largest["customers"] == 1 and largest["moments"] > TIMES_THE_LARGE * usual
    share = largest["moments"] / total
    return (largest["key"], share) if is_alone and total >= FEWEST_EVENTS and share > LARGE_SHARE else None


def find_same(customers: Collection[str], form: Callable[[str], str]) -> list[list[str]]:
    """The groups of ids that have one form; only those of more than one id."""
    groups = defaultdict(list)
    for customer in sorted(customers):
        if key := form(customer):
            groups[key].append(customer)
    return [group for group in groups.values() if len(group) > 1]


def merge_settings(customer: str) -> str:
    """One form for all ids that some setting makes one."""
    return canonical_id(canonical_id(customer, CASE_INSENSITIVE), NUMERIC)


def strip_marks(customer: str) -> str:
    """Without the marks round it and, of a number, those between thousands, as spreadsheets add them: '00123, 10,011,
    ="10011", #10011, {3F2A…}."""
    bare = re.sub(r"(?<=[0-9]),00?$", "", _MARKS_AROUND.sub("", customer))
    return merge_settings(re.sub("[^0-9]", "", bare) if _WITH_THOUSANDS.fullmatch(bare) else bare)


MARKS = "form without marks"
#: Other forms of an id; the settings first.
FORMS: dict[str, Callable[[str], str]] = {
    NUMERIC: lambda customer: canonical_id(customer, NUMERIC),
    CASE_INSENSITIVE: lambda customer: canonical_id(customer, CASE_INSENSITIVE),
    MARKS: strip_marks,
    "digits": lambda customer: re.sub("[^0-9]", "", customer).lstrip("0"),
    "letters and digits": lambda customer: re.sub(r"[\W_]", "", canonical_id(customer, CASE_INSENSITIVE)),
}


def measure_link(ours: Collection[str], known: Collection[str]) -> float:
    """The larger of both shares: of our customers who are known, and of the known ones whom we have. Many who browse
    never buy, so either alone may be small where the ids are right."""
    both = len(set(ours) & set(known))
    return both / min(len(ours), len(known)) if ours and known else 0.0


def find_linking_form(ours: Collection[str], known: Collection[str]) -> tuple[str, float] | None:
    """The form of FORMS under which the customers of two logs are the same ones, and the link that it gives."""
    for name, form in FORMS.items():
        left, right = ({form(customer) for customer in customers} - {""} for customers in (ours, known))
        keeps_apart = all(len(few) > 0.9 * len(many) for few, many in ((left, ours), (right, known)))
        if keeps_apart and (link := measure_link(left, right)) > 5 * LINKED:
            return name, link
    return None


def find_lost_digits(raw_ids: Collection[str], in_full: Collection[str], ids: CustomerIds) -> list[str]:
    """The ids that a spreadsheet has cut to an exponent. in_full: the canonical ids that some log writes otherwise."""
    found = {raw_id: ids.canonical(raw_id) for raw_id in raw_ids if _EXPONENT.fullmatch(raw_id)}
    return sorted(raw_id for raw_id, one in found.items() if one.endswith("00") and one not in in_full)


@dataclass
class Told:
    """What the check says: things to mend, and others worth knowing."""

    findings: list[str]
    notes: list[str]

    def add(self, is_finding: bool, sentence: str) -> None:
        (self.findings if is_finding else self.notes).append(sentence)


def judge_customers(logs: list[LogCustomers], needed_log: str, ids: CustomerIds) -> Told:
    """All that is to be said of the customers of a shop. needed_log: the one without which nobody can be scored."""
    told = Told([], [])
    by_log = {one.log: one.by_customer(ids) for one in logs}
    everybody = {customer for customers in by_log.values() for customer in customers}
    raw_ids = {raw_id for one in logs for raw_id in one.met}
    in_full = {ids.canonical(raw_id) for raw_id in raw_ids if not _EXPONENT.fullmatch(raw_id)}
    for one in logs:
        tell_rewritten(told, one, by_log[one.log], ids)
        tell_nobody(told, one, by_log[one.log], ids)
        tell_dominant(told, one, by_log[one.log], ids)
        tell_lost_digits(told, one, in_full, ids)
    named = set()
    for log, customers in by_log.items():
        if log != needed_log and by_log.get(needed_log) and customers:
            named.add(tell_link(told, log, customers, needed_log, by_log[needed_log]))
    for spelling in (NUMERIC, CASE_INSENSITIVE):
        if spelling not in {*named, ids.spelling}:
            tell_spelling(told, everybody, spelling, ids)
    tell_marks(told, everybody, ids)
    return told


def tell_rewritten(told: Told, one: LogCustomers, customers: Collection[str], ids: CustomerIds) -> None:
    somebody = [raw_id for raw_id in one.met if ids.read(raw_id)]
    if len(somebody) > len(customers):
        (example, *_) = find_same(somebody, ids.canonical)
        told.add(False, f"{one.log}: {len(somebody):,} spellings of {len(customers):,} customers, like"
                 f" {' and '.join(map(repr, example[:EXAMPLES]))}: each counts as one customer")  # fmt: skip


def tell_nobody(told: Told, one: LogCustomers, customers: Mapping[str, Met], ids: CustomerIds) -> None:
    nobody = {raw_id: met.events for raw_id, met in one.met.items() if ids.read(raw_id) is None}
    if nobody:
        told.add(False, f"{one.log}: {sum(nobody.values()):,} records of no customer: {_show_counts(nobody)}")
    if maybe := find_maybe_nobody(customers, ids):
        words = ", ".join(f'"{word}"' for word in [*(ids.nobody or ()), *maybe])
        told.add(
            ids.nobody is None,
            f"{one.log}: {_show_counts(maybe)}: such ids often stand for nobody; at the top of shop.toml"
            f" no_customer = [{words}] says that they do, and no_customer = [] that all of them are customers",
        )


def _show_counts(counts: Mapping[str, int]) -> str:
    largest = sorted(counts.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{word!r} {count:,} times" for word, count in largest[: 2 * EXAMPLES])
    return shown + (f" and {len(counts) - 2 * EXAMPLES:,} more" if len(counts) > 2 * EXAMPLES else "")


def tell_dominant(told: Told, one: LogCustomers, customers: Mapping[str, Met], ids: CustomerIds) -> None:
    dominant = find_dominant(customers, one.day_count)
    if dominant and dominant[0] not in find_maybe_nobody(customers, ids):
        customer, share = dominant
        told.add(
            ids.nobody is None,
            f"{one.log}: one customer, {customer!r}, has {share:.0%} of all events, far more than any other: check that"
            f' customer_id is the right column; no_customer = ["{customer}"] at the top of shop.toml says that the id'
            " stands for nobody, and no_customer = [] that it is a customer",
        )


def tell_lost_digits(told: Told, one: LogCustomers, in_full: Collection[str], ids: CustomerIds) -> None:
    if cut := find_lost_digits(one.met.keys(), in_full, ids):
        told.add(
            True,
            f"{one.log}: {len(cut):,} customer ids are written like {cut[0]!r}, which may have lost its last digits, so"
            " that several customers become one: have them exported as text",
        )


def tell_link(told: Told, log: str, ours: Mapping[str, Met], other: str, known: Mapping[str, Met]) -> str | None:
    """Says how many of a log's customers another one knows; gives the setting that it names."""
    share, link = len(ours.keys() & known.keys()) / len(ours), measure_link(ours, known)
    says = f"{log}: {share:.1%} of its {len(ours):,} customers are known to the {other}"
    if link >= LINKED or min(len(ours), len(known)) < FEWEST_CUSTOMERS:
        told.add(False, says)
        return None
    examples = f"the ids are like {min(ours)!r} here and {min(known)!r} there"
    if found := find_linking_form(ours, known):
        form, other_link = found
        is_setting = form in (NUMERIC, CASE_INSENSITIVE)
        remedy = f'customer_ids = "{form}" at the top of shop.toml' if is_setting else f"their {form} alone"
        hint = "" if is_setting else ": have both written alike"
        told.add(True, f"{says}; {examples}; by {remedy} {other_link:.0%} would be the same{hint}")
        return form if is_setting else None
    place = "contact.log" if log == "contacts" else f"sources.{log}"
    remedy = f"map customer_id in {place} to the ids that the {other} have, or leave {place} out"
    told.add(link < SURELY_UNLINKED, f"{says}; {examples}: {remedy}" if link < SURELY_UNLINKED else says)
    return None


def tell_spelling(told: Told, everybody: Collection[str], spelling: str, ids: CustomerIds) -> None:
    groups = find_same(everybody, FORMS[spelling])
    if not groups:
        return
    share = sum(map(len, groups)) / len(everybody)
    is_address = spelling == CASE_INSENSITIVE and any("@" in group[0] for group in groups)
    is_free = ids.spelling == AS_GIVEN
    difference = "leading zeros" if spelling == NUMERIC else "upper and lower case"
    examples = "; ".join(" and ".join(map(repr, group[:EXAMPLES])) for group in groups[:EXAMPLES])
    remedy = f'customer_ids = "{spelling}" at the top of shop.toml makes them one' if is_free else "write them alike"
    told.add(
        (is_address or share >= SPELT_TWICE) and not ids.is_chosen,
        f"{sum(map(len, groups)):,} of {len(everybody):,} customers differ from another one by {difference} only, so"
        f" one person may be several customers ({examples}): {remedy}",
    )


def tell_marks(told: Told, everybody: Collection[str], ids: CustomerIds) -> None:
    """Ids that differ by marks which no setting drops."""
    groups = find_same({merge_settings(customer) for customer in everybody}, strip_marks)
    if not groups:
        return
    count, examples = (
        sum(map(len, groups)),
        "; ".join(" and ".join(map(repr, group[:2])) for group in groups[:EXAMPLES]),
    )
    says_so = ids.is_chosen and ids.spelling == AS_GIVEN
    told.add(
        count / len(everybody) >= SPELT_TWICE and not says_so,
        f"{count:,} of {len(everybody):,} customers differ from another one by marks round or between their digits"
        f" only, so one person may be several customers ({examples}): have the ids exported alike, as plain text; if"
        f' they are different customers, customer_ids = "{AS_GIVEN}" at the top of shop.toml says so',
    )
