"""Finds a column with the status of orders that shop.toml does not use."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from spark_jobs.checking.findings import Findings
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.checking.orders import find_unmapped, list_unmapped, sample_columns
from spark_jobs.contract.shop.orders import STATES, fold_word
from spark_jobs.contract.shop.source import Source
from spark_jobs.contract.shop.toml_text import quote, write_list

#: Common names of the status column, folded by raw/layout.py.
NAMES = {
    "status", "order status", "financial status", "payment status", "orderstatus", "paymentstatus", "state",
    "order state", "sale status", "transaction status", "bestellstatus", "auftragsstatus", "zahlungsstatus", "statut",
    "statut de commande", "état", "etat", "estado", "estado del pedido", "estado do pedido", "estatus", "stato",
    "stato ordine", "zamówienie status", "status zamówienia", "stan", "stav", "stav objednávky", "durum",
    "sipariş durumu", "situação", "статус", "订单状态", "状态", "注文ステータス", "technicalname",
}  # fmt: skip
#: The meanings of common status words; all others count.
KNOWN = {
    "pending": {
        "pending", "pending payment", "pending_payment", "pending-payment", "on-hold", "on hold", "on_hold", "holded",
        "unpaid", "authorized", "authorised", "awaiting payment", "draft", "checkout-draft", "payment_review",
        "offen", "ausstehend", "en attente", "pendiente", "pendente", "in attesa", "待付款", "未払い",
        "requires_payment_method", "aguardando pagamento", "in afwachting", "oczekujące", "oczekuje", "beklemede",
        "ödeme bekleniyor", "čeká na platbu", "väntar", "ожидает", "awaiting",
    },
    "cancelled": {
        "cancelled", "canceled", "voided", "void", "failed", "expired", "declined", "trash", "fraud",
        "storniert", "storno", "abgebrochen", "fehlgeschlagen", "annulé", "annulée", "échoué", "erreur de paiement",
        "cancelado", "cancelada", "fallido", "annullato", "annullata", "geannuleerd", "anulowane", "anulowany",
        "anulowana", "iptal", "iptal edildi", "zrušeno", "zrušená", "makulerad", "avbruten", "отменен", "отменён",
        "已取消", "キャンセル",
    },
    "returned": {
        "refunded", "returned", "chargeback", "erstattet", "rückerstattet", "retourniert", "remboursé", "remboursée",
        "reembolsado", "devuelto", "devolvido", "rimborsato", "terugbetaald", "zwrócone", "zwrócony", "iade",
        "iade edildi", "vráceno", "återbetald", "возврат", "возвращен", "возвращён", "已退款", "返金済み",
    },
}  # fmt: skip
#: Words of orders that count, for columns that are known by their words.
COUNTED = {"paid", "completed", "complete", "processing", "closed", "shipped", "delivered", "open", "done", "success",
           "succeeded", "fulfilled", "in progress", "in_progress", "sent", "invoiced", "bezahlt"}  # fmt: skip
MOST_COLUMNS = 200
FEWEST_LETTERS = 5  # shorter words are not searched within phrases
MOST_WORDS = 30  # a column with more different words is no status
#: A partially refunded order is still a sale.
PARTIAL = re.compile(r"partial|partly|teilweise|teil|partiel|parcial|parzial|częściowo|kısmi|gedeeltelijk|частичн")


def sort_words(words: Iterable[str]) -> dict[str, list[str]]:
    """The words by their probable meaning, in the order of STATES."""
    found: dict[str, list[str]] = {state: [] for state in STATES}
    for word in dict.fromkeys(words):
        found[guess_state(word)].append(word)
    return found


def plain_word(word: str) -> str:
    """The form in which words are compared with KNOWN; a Turkish İ is an i."""
    return fold_word(word).replace("i\u0307", "i").removeprefix("wc-")


def guess_state(word: str) -> str:
    """The probable meaning of a word or phrase; counted if unknown."""
    plain = plain_word(word)
    meant = {known: state for state, words in KNOWN.items() for known in words}
    if plain in meant:
        return meant[plain]
    if PARTIAL.search(plain):
        return "counted"
    phrase = " " + re.sub(r"[\W_]+", " ", plain) + " "
    inner = [known for known in meant if len(known) >= FEWEST_LETTERS and f" {known} " in phrase]
    return meant[max(inner, key=len)] if inner else "counted"


def check_statuses(judged: JudgedLog, findings: Findings) -> None:
    """Adds a finding if orders that may not count are read as sales, with a table `status` for shop.toml."""
    source = judged.source
    if source.log != "purchases" or source.status:
        return
    for column in find_unmapped(judged, NAMES) or find_by_words(judged):
        counts = Counter(word for (word,) in sample_columns(judged, [column]) if word)
        found = sort_words(counts)
        if len(counts) <= MOST_WORDS and (doubtful := [word for state in STATES[1:] for word in found[state]]):
            words = ", ".join(f"{word!r} ({counts[word]:,})" for word in doubtful)
            findings.add(f"purchases: every order counts, whatever {column!r} says: {words}. At the end of shop.toml,"
                         " add"
                         f" which orders count:\n{write_table(column, found)}")  # fmt: skip
            return


def find_by_words(judged: JudgedLog) -> list[str]:
    """The unmapped columns whose words are those of a status, whatever their names."""
    free = list_unmapped(judged)[:MOST_COLUMNS]
    columns = zip(*sample_columns(judged, free), strict=True)
    return [name for name, words in zip(free, columns, strict=False) if are_statuses({*words} - {""})]


def are_statuses(words: set[str]) -> bool:
    """Whether most of a few different words are known ones of a status, also of orders that do not count."""
    plain = set(map(plain_word, words))
    doubtful = {word for word in plain if any(word in known for known in KNOWN.values())}
    return 2 <= len(plain) <= MOST_WORDS and bool(doubtful) and 2 * len(doubtful | (plain & COUNTED)) > len(plain)


def write_table(column: str, found: Mapping[str, list[str]]) -> str:
    """The table `status` for shop.toml."""
    lines = [f"{state} = {write_list(words)}" for state, words in found.items() if words]
    name = quote(column)
    return "\n".join(["[sources.purchases.status]", f"column = {name}", *lines])


def propose_statuses(source: Source, words: Iterable[str]) -> str:
    """The remedy for words that are in no list."""
    found = {state: found for state, found in sort_words(words).items() if found}
    known = {state: getattr(source.status, state, ()) for state in found}
    lines = [f"{state} = {write_list([*known[state], *words])}" for state, words in found.items()]
    return f"set under [sources.{source.log}.status] what they mean, probably " + ", ".join(lines)
