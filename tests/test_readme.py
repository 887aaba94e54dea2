"""What README and the documentation show must be so: queries are among those that run, commands and settings exist."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.conftest import ROOT

DOCS = ROOT / "infra" / "docs"
PAGES = {str(page.relative_to(ROOT)): page.read_text() for page in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]}


def blocks(language: str, pages: dict[str, str] = PAGES) -> list[str]:
    return [block for text in pages.values() for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_bytes()) <= 8_000


def test_every_link_of_the_readme_has_a_target():
    links = re.findall(r"\]\(([^)#]+)", PAGES["README.md"])
    assert len(links) > 20
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_every_query_is_one_of_the_examples_that_the_warehouse_tests_run():
    examples = (ROOT / "infra" / "warehouse" / "example_queries.sql").read_text()
    queries = [re.sub(r"^-- .*\n", "", block).strip() for block in blocks("sql")]
    assert len(queries) >= 3
    assert [query for query in queries if query not in examples] == []


def test_every_make_command_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make +([a-z-]+)", "\n".join(PAGES.values()), re.MULTILINE)) <= targets


def test_every_make_variable_exists():
    known = set(re.search(r"^VARIABLES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split())
    commands = re.findall(r"`make [^`]*`|^make .*$", "\n".join(PAGES.values()), re.MULTILINE)
    named = set(re.findall(r"\b([A-Z_]+)=", " ".join(commands)))
    assert named
    assert named <= known


def list_churn_commands() -> list[str]:
    text = "\n".join(PAGES.values())
    typed = [line.split("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    typed = [re.sub(r"^CHURN_HOME=\S+ ", "", line) for line in typed]
    inline = [re.sub(r"\s+", " ", found) for found in re.findall(r"`(churn [a-z][^`]*)`", text)]
    return sorted({line for line in (*typed, *inline) if line.startswith("churn ") and "…" not in line})


@pytest.mark.parametrize("line", list_churn_commands())
def test_every_churn_command_is_valid(line):
    import click

    from infra.cli.commands import churn

    name, *words = shlex.split(line)[1:]
    verb = churn.commands[name]
    named = {"approve", "backup", "customer", "erase", "export", "init", "restore"}
    try:
        verb.make_context(name, words, resilient_parsing=False)
    except click.MissingParameter:
        assert name in named  # named without what it is about
        assert not words
    except click.exceptions.BadParameter as error:
        pytest.fail(f"{line}: {error.format_message()}")


def test_every_module_is_a_command():
    from infra.local.check_commands import is_command

    modules = set(re.findall(r"python -m ([a-z_]+(?:\.[a-z_]+)+)", " ".join(" ".join(PAGES.values()).split())))
    assert len(modules) > 10
    assert [module for module in modules if not is_command(module)] == []


def test_the_minimal_shop_file_is_valid_also_with_each_table_shown(tmp_path):
    from spark_jobs.contract.shop.file import load_shop

    reference, exports, crm = (
        {name: PAGES[name]} for name in (f"infra/docs/{page}.md" for page in
                                         ("reference/shop_toml", "howto/exports", "howto/crm"))
    )  # fmt: skip
    _, least = blocks("toml", reference)
    tables, (contact,) = blocks("toml", exports), blocks("toml", crm)
    assert tables
    (tmp_path / "shop.toml").write_text(least)
    assert load_shop(tmp_path / "shop.toml").name == "corner_shop"
    (tmp_path / "shop.toml").write_text("".join([least, *tables, contact]))
    assert load_shop(tmp_path / "shop.toml").contact.log.files == "sent_*.csv"
    (example,) = blocks("toml", {"": PAGES["infra/docs/tutorial.md"]})
    (tmp_path / "shop.toml").write_text(example)
    assert load_shop(tmp_path / "shop.toml").sources["purchases"].delimiter == ";"


def test_every_variable_is_read_by_the_settings():
    import spark_jobs.contract.settings as module

    known = set(re.findall(r"CHURN_[A-Z_]+", module.__doc__))
    assert set(re.findall(r"\bCHURN_[A-Z_]+", "\n".join(PAGES.values()))) <= known
    assert set(re.findall(r"CHURN_[A-Z_]+", (ROOT / ".env.example").read_text())) == known
