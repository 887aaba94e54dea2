"""The ETL of a night in DuckDB, as somebody would write it by hand for the simulated shop: the peer of the product.

    python -m infra.bench.nights.duckdb_night --raw DIR --state DIR --as-of DAY [--after DAY] --result FILE

Reads the files of the days after `--after` (by default all) up to `--as-of`, and keeps its tables in one database file.
It does the same work as the product's ETL: the same records are clean, and customer_day and customer_series are equal
in content, which `make bench` checks. What it leaves out is listed in infra/docs/bench.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from infra.bench.nights.peer import (
    COUNT_NAMES,
    SERIES_NAMES,
    SET_NAMES,
    SUM_NAMES,
    Phases,
    list_files,
    read_arguments,
    score_texts,
)
from spark_jobs.runtime.command import run_command

DELIVERY_DAY = r"regexp_extract(filename, '(\d{4}-\d{2}-\d{2})')::date"
DATABASE = "night.duckdb"
#: The reject rules that all logs share; {customer} is the raw column.
SHARED = """event_id is not null and customer_id <> '' and not starts_with(customer_id, 'test-')
  and event_day <= delivery_day + 1"""

PURCHASES = f"""
create or replace temp table parsed as
with typed as (
  select line event_id, customer customer_id, try_strptime("at", '%Y-%m-%d %H:%M:%S')::date event_day,
    product product_id, category, try_cast(quantity as decimal(18, 3)) given_quantity,
    try_cast(price as decimal(18, 6)) given_price, currency, type kind, filename, {DELIVERY_DAY} delivery_day
  from read_csv($files, header = true, auto_detect = false, delim = ',', quote = '"', null_padding = true,
    filename = true, columns = {{'line': 'varchar', 'customer': 'varchar', 'at': 'varchar', 'product': 'varchar',
    'category': 'varchar', 'quantity': 'varchar', 'price': 'varchar', 'currency': 'varchar', 'type': 'varchar'}})
), priced as (
  select *, if(kind = 'return', abs(given_quantity), given_quantity) quantity,
    if(kind = 'return', abs(given_price), given_price) price,
    case currency when 'EUR' then 1 when 'USD' then 0.92 when 'CHF' then 1.04 end::decimal(18, 8) rate
  from typed
)
select event_id, customer_id, event_day, product_id, category, quantity,
  if(currency = 'EUR', (quantity * price)::decimal(18, 2),
     ((quantity * price)::decimal(18, 6) * rate)::decimal(18, 2)) amount, kind, filename, delivery_day
from priced
where {SHARED} and quantity > 0 and price >= 0 and rate is not null and kind in ('sale', 'return')
"""

BROWSES = f"""
create or replace temp table parsed as
with typed as (
  select id event_id, visitor customer_id, make_timestamp(try_cast(ts as bigint) * 1000) event_at,
    (make_timestamp(try_cast(ts as bigint) * 1000) at time zone 'UTC' at time zone 'Europe/Berlin')::date event_day,
    item product_id, category, session session_id, try_cast(dwell as decimal(18, 3)) dwell_seconds, dwell,
    case type when 'pageview' then 'view' when 'search' then 'search' when 'addtocart' then 'cart_add'
      when 'removefromcart' then 'cart_remove' end kind, filename, {DELIVERY_DAY} delivery_day
  from read_json($files, format = 'newline_delimited', ignore_errors = true, filename = true, columns = {{
    'id': 'varchar', 'visitor': 'varchar', 'ts': 'varchar', 'type': 'varchar', 'item': 'varchar',
    'category': 'varchar', 'session': 'varchar', 'dwell': 'varchar'}})
), clean as (
  select * from typed where {SHARED} and kind is not null and (dwell is null or dwell_seconds between 0 and 999999999)
), busy as (  -- only who has so many events in a file can have them within an hour
  select filename, customer_id from clean group by all having count(*) > 120
), hourly as (
  select filename, customer_id, count(*) over (partition by filename, customer_id order by epoch(event_at)::bigint
    range between 3599 preceding and current row) within_hour
  from clean semi join busy using (filename, customer_id)
), bots as (select distinct filename, customer_id from hourly where within_hour > 120)
select event_id, customer_id, event_day, product_id, category, session_id, coalesce(dwell_seconds, 0) dwell_seconds,
  kind, filename, delivery_day
from clean anti join bots using (filename, customer_id)
"""

REVIEWS = f"""
create or replace temp table parsed as
select id event_id, customer customer_id, try_strptime("at", '%Y-%m-%d %H:%M:%S')::date event_day, product product_id,
  try_cast(stars as decimal(5, 3)) rating, nullif(text, '') as text, filename, {DELIVERY_DAY} delivery_day
from read_json($files, format = 'newline_delimited', ignore_errors = true, filename = true, columns = {{
  'id': 'varchar', 'customer': 'varchar', 'at': 'varchar', 'product': 'varchar', 'stars': 'varchar',
  'text': 'varchar'}})
where {SHARED} and (stars is null or rating between 1 and 5) and (rating is not null or nullif(text, '') is not null)
"""

#: Of several records of one identity the earliest counts; those of an earlier night are in the table already.
ADD_NEW = """
create table if not exists {log} as from parsed limit 0;
create or replace temp table repeated as
  select event_id, event_day, min((delivery_day, filename)) as first from parsed group by all having count(*) > 1;
insert into {log}
  select parsed.* from parsed left join repeated using (event_id, event_day)
  where (first is null or first = (delivery_day, filename))
    and not exists (from {log} known where known.event_id = parsed.event_id and known.event_day = parsed.event_day)
"""

#: What each log says of a customer's day; what it says nothing of is null.
DAY_SUMS = {
    "purchases": """count(*) filter (kind = 'sale') sale_count, sum(quantity) filter (kind = 'sale') item_quantity,
      sum(amount) filter (kind = 'sale') spend, count(*) filter (kind = 'return') return_count,
      sum(amount) filter (kind = 'return') refund, list(distinct category) filter (kind = 'sale') categories,
      list(distinct product_id) filter (kind = 'sale') bought_products""",
    "browses": """count(*) browse_count, count(*) filter (kind = 'view') view_count,
      count(*) filter (kind = 'search') search_count, count(*) filter (kind = 'cart_add') cart_add_count,
      count(*) filter (kind = 'cart_remove') cart_remove_count, sum(dwell_seconds) dwell_seconds,
      list(distinct product_id) filter (kind = 'cart_add' and product_id is not null) carted_products,
      list(distinct category) filter (category is not null) viewed_categories, list(distinct session_id) sessions""",
    "reviews": """count(*) review_count, count(rating) rated_count, sum(rating) rating_sum,
      count(sentiment) judged_count, sum(sentiment) sentiment_sum""",
}
KEY = "customer_id, event_day, delivery_day"

KNOWN = """
create or replace temp table known as
with history as (
  select delivery_day from (select delivery_day, event_day, count(*) n from customer_day group by all)
  group by delivery_day having sum(n) * sum(n) / sum(n * n) > 14
)
select * exclude (merged_into) replace (coalesce(merged_into, customer_id) as customer_id),
  if(delivery_day in (from history), 0, greatest(delivery_day - event_day, 0))::int late_days
from customer_day left join merges using (customer_id)
where delivery_day <= '{as_of}' and event_day <= '{as_of}'
"""

ELIGIBLE = """
create or replace temp table eligible as
with days as (
  select customer_id, event_day, sum(sale_count) sales, sum(refund) refund, sum(spend) - sum(refund) net
  from known where event_day > '{as_of}'::date - 90 group by all
), paid as (
  select *, sum(net) over (partition by customer_id order by event_day) paid from days
), undone as (
  select *, min(paid) filter (refund > 0) over (partition by customer_id order by event_day
    range between current row and interval 7 days following) <= paid - net as is_undone
  from paid
)
select distinct customer_id from undone where sales > 0 and not coalesce(is_undone, false);
create or replace temp table ours as from known semi join eligible using (customer_id)
"""

#: The elements of a day's set, each at the part of the day that brought it first.
FIRST_MET = """{name}_met as (
  select customer_id, event_day, element, min(late_days) late_days
  from (select customer_id, event_day, late_days, unnest({name}) element from ours) group by all
)"""
#: By how much each part changes what its day's sets count. What is put into the cart and bought by a later part counts
#: until then.
COUNTED = f"""
create or replace temp table counted as
with {", ".join(FIRST_MET.format(name=name) for name in SET_NAMES)},
carted as (
  select c.customer_id, c.event_day, c.late_days, b.late_days bought_late
  from carted_products_met c left join bought_products_met b using (customer_id, event_day, element)
  where b.late_days is null or b.late_days > c.late_days
), new_categories as (
  select customer_id, min((event_day + late_days, event_day, late_days)) part
  from ours, unnest(categories) as t(element) group by customer_id, element
), counts as (
  select customer_id, event_day, late_days, 1 session_count, 0 viewed_category_count, 0 abandoned_cart_count,
    0 new_category_count from sessions_met
  union all select customer_id, event_day, late_days, 0, 1, 0, 0 from viewed_categories_met
  union all select customer_id, event_day, late_days, 0, 0, 1, 0 from carted
  union all select customer_id, event_day, bought_late, 0, 0, -1, 0 from carted where bought_late is not null
  union all select customer_id, part[2], part[3], 0, 0, 0, 1 from new_categories
)
select customer_id, event_day, late_days, {", ".join(f"sum({name}) {name}" for name in COUNT_NAMES)}
from counts group by all
"""

SERIES = f"""
create or replace table customer_series as
with parts as (
  select customer_id, event_day, late_days, {", ".join(f"sum({name}) {name}" for name in SUM_NAMES)}
  from ours group by all
)
select customer_id, min(event_day) as first_day, list(event_day order by event_day, late_days) as days,
  list(late_days order by event_day, late_days) as late_days,
  {", ".join(f"list(coalesce({name}, 0)::double order by event_day, late_days) {name}" for name in SERIES_NAMES)}
from parts left join counted using (customer_id, event_day, late_days) group by customer_id
"""


def clean(base: duckdb.DuckDBPyConnection, log: str, query: str, files: list[str]) -> None:
    base.execute(query, {"files": files})
    if log == "reviews":
        texts = base.sql("select distinct text, rating from parsed").to_arrow_table()
        base.register("scores", score_texts(texts))
        base.execute("""create or replace temp table parsed as select parsed.* exclude (text), sentiment
          from parsed join scores on parsed.text is not distinct from scores.text
            and parsed.rating is not distinct from scores.rating""")  # fmt: skip
    base.execute(ADD_NEW.format(log=log))


def build_days(base: duckdb.DuckDBPyConnection, after: date | None) -> None:
    """Adds the customer_day rows of the new delivery days."""
    new = f"delivery_day > '{after}'" if after else "true"
    logs = [f"select {KEY}, {sums} from {log} where {new} group by all" for log, sums in DAY_SUMS.items()]
    sums = ", ".join(f"coalesce(sum({name}), 0) {name}" for name in SUM_NAMES)
    sets = ", ".join(f"coalesce(any_value({name}), []) {name}" for name in SET_NAMES)  # of one log each
    rows = f"select {KEY}, {sums}, {sets} from ({' union all by name '.join(logs)}) group by {KEY}"
    base.execute(f"create table if not exists customer_day as from ({rows}) limit 0")
    base.execute(f"insert into customer_day {rows}")


def build_series(base: duckdb.DuckDBPyConnection, raw: Path, as_of: date) -> None:
    base.execute(f"""create or replace temp table merges as select customer_id, merged_into
      from read_csv('{raw}/merged_customers.csv') where since <= '{as_of}'""")  # fmt: skip
    for query in (KNOWN, ELIGIBLE):
        base.execute(query.format(as_of=as_of))
    base.execute(COUNTED)
    base.execute(SERIES)


def read_tables(state: Path) -> dict[str, pa.Table]:
    """customer_day and customer_series, with the shop's own ids."""
    with duckdb.connect(state / DATABASE, read_only=True) as base:
        return {name: base.sql(f"from {name}").to_arrow_table() for name in ("customer_day", "customer_series")}


def main(argv: Sequence[str] | None = None) -> None:
    arguments = read_arguments(__doc__, argv)
    phases = Phases()
    arguments.state.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(arguments.state / DATABASE) as base:
        for log, query in (("purchases", PURCHASES), ("browses", BROWSES), ("reviews", REVIEWS)):
            with phases.measure(f"clean_{log}"):
                clean(base, log, query, list_files(arguments.raw, log, arguments.after, arguments.as_of))
        with phases.measure("customer_day"):
            build_days(base, arguments.after)
        with phases.measure("customer_series"):
            build_series(base, arguments.raw, arguments.as_of)
    phases.write(arguments.result)


if __name__ == "__main__":
    sys.exit(run_command(main))
