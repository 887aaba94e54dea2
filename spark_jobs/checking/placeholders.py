"""Finds ids that are no customers: words like guest, placeholders, and ids with an implausible share of events."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from spark_jobs.checking.customers import EventCounts
from spark_jobs.cleaning.dominant import FEWEST_EVENTS, LARGE_SHARE, TIMES_THE_LARGE, high_usual
from spark_jobs.contract.customer_ids import CustomerIds

#: Words that are rarely a customer's id.
PLACEHOLDER_WORDS = {
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
#: If this share of ids is of one kind (numbers, possibly after a few letters, or addresses), a word among them is
#: probably no customer.
NEARLY_ALL = 0.98
KINDS = (re.compile(r"^\D{0,5}[0-9][0-9.,' -]*$"), re.compile("@"))
FEWEST_CUSTOMERS = 20  # with fewer customers, shares are not judged
HUGE_SHARE = 0.2
TIMES_THE_LARGE_EVERY_DAY = 5
EVERY_DAY = 0.8


def find_possible_placeholders(customers: Mapping[str, EventCounts], ids: CustomerIds) -> dict[str, int]:
    """id -> events, for ids that look like placeholders; a number in a range of consecutive ids does not."""
    usual = high_usual(counts.events for counts in customers.values())

    def is_one_of_many(customer: str) -> bool:
        number = int(customer) if re.fullmatch("-?[0-9]{1,18}", customer) else None
        has_neighbour = number is not None and {str(number - 1), str(number + 1)} & customers.keys()
        return bool(has_neighbour) and customers[customer].events <= usual

    placeholders = {one for one in customers if is_like_placeholder(ids.caseless(one)) and not is_one_of_many(one)}
    found = {one: customers[one].events for one in placeholders | find_words_among_numbers(customers)}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def is_like_placeholder(caseless: str) -> bool:
    """Whether it is a word of MAYBE_NOBODY (also as a name in an e-mail address), a placeholder or only punctuation."""
    name = caseless.partition("@")[0] if "@" in caseless[1:] else caseless
    is_word = {name, name.strip("()[]<>*#_. ")} & PLACEHOLDER_WORDS and (name == caseless or len(name) > 2)
    return bool(is_word) or bool(_PLACEHOLDER.fullmatch(caseless)) or not any(map(str.isalnum, caseless))


def find_words_among_numbers(customers: Collection[str]) -> set[str]:
    """The ids without a digit, if nearly all others are numbers or e-mail addresses: in any language such a word is
    probably a type of sale, not a customer."""
    words = {customer for customer in customers if "@" not in customer and not any(map(str.isdigit, customer))}
    are_few = len(customers) >= FEWEST_CUSTOMERS and len(words) <= (1 - NEARLY_ALL) * len(customers)
    has_kind = are_few and any(
        sum(bool(kind.search(customer)) for customer in customers) >= NEARLY_ALL * len(customers) for kind in KINDS
    )
    return words if has_kind else set()


def find_dominant(customers: Mapping[str, EventCounts], day_count: int) -> tuple[str, float] | None:
    """The customer with an implausible share of all events, and the share.

    A wholesaler may have a large share too. A placeholder occurs on nearly every day, or has many times the events of
    other large customers.
    """
    total = sum(counts.events for counts in customers.values())
    if total < FEWEST_EVENTS:
        return None
    largest = max(customers, key=lambda customer: customers[customer].events)
    counts, usual = customers[largest], high_usual(one.events for name, one in customers.items() if name != largest)
    share, is_daily = counts.events / total, counts.days >= EVERY_DAY * day_count and day_count > 1
    times = TIMES_THE_LARGE_EVERY_DAY if is_daily else TIMES_THE_LARGE
    is_huge = share > HUGE_SHARE and counts.events > 2 * usual
    return (largest, share) if is_huge or (share > LARGE_SHARE and counts.events > times * usual) else None
