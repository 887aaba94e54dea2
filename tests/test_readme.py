"""What the README shows must be so: its queries are among those that run, its commands and settings exist."""

import re

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_query_is_one_of_the_examples_that_the_warehouse_tests_run():
    examples = (ROOT / "infra" / "warehouse" / "example_queries.sql").read_text()
    queries = [re.sub(r"^-- .*\n", "", block).strip() for block in blocks("sql")]
    assert len(queries) >= 3
    assert [query for query in queries if query not in examples] == []


def test_every_make_command_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make +([a-z-]+)", README, re.MULTILINE)) <= targets


def test_the_minimal_shop_file_is_valid_also_with_each_table_shown(tmp_path):
    from spark_jobs.contract.shop.file import load_shop

    least, *tables, contact = blocks("toml")
    (tmp_path / "shop.toml").write_text(least)
    assert load_shop(tmp_path / "shop.toml").name == "corner_shop"
    (tmp_path / "shop.toml").write_text("".join([least, *tables, contact]))
    assert load_shop(tmp_path / "shop.toml").contact.log.files == "sent_*.csv"


def test_every_variable_is_one_that_the_settings_read():
    import spark_jobs.contract.settings as module

    assert set(re.findall(r"CHURN_[A-Z_]+", README)) <= set(re.findall(r"CHURN_[A-Z_]+", module.__doc__))
