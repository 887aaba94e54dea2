"""Are the images' instructions read as a container engine reads them?"""

from __future__ import annotations

import pytest

from infra.images.in_root import IMAGES, STARTS, list_starts
from infra.images.stage import Stage, expand, follow, list_context, read_steps

KNOWN = {"FROM", "ARG", "RUN", "COPY", "ENV", "WORKDIR", "USER", "SHELL", "VOLUME", "HEALTHCHECK", "ENTRYPOINT", "CMD",
         "LABEL"}  # fmt: skip


@pytest.mark.parametrize("image", STARTS)
def test_every_instruction_of_an_image_is_known(image):
    steps = [*read_steps((IMAGES / image / "Dockerfile").read_text())]
    assert {word for word, _ in steps} <= KNOWN
    assert steps[-1][0] == "CMD"


def test_lines_are_joined_and_comments_dropped():
    text = "# syntax\nFROM a AS b\nRUN one \\\n && two\n# hadolint\nUSER 1:2\n"
    assert [*read_steps(text)] == [("FROM", "a AS b"), ("RUN", "one   && two"), ("USER", "1:2")]


def test_arguments_and_the_stages_own_variables_are_filled_in_and_others_stay(tmp_path):
    stage = Stage(tmp_path)
    follow(stage, "ENV", "A=1 B='two words'", {}, tmp_path)
    assert expand("${COMMIT} $A $B $(date) $HOST", {"COMMIT": "c0ffee"}, stage) == "c0ffee 1 two words $(date) $HOST"


def test_a_start_is_that_of_the_image(tmp_path):
    stage = Stage(tmp_path)
    for word, rest in (("ENTRYPOINT", '["tini", "--"]'), ("CMD", '["python"]'), ("WORKDIR", "/opt/churn"),
                       ("HEALTHCHECK", '--interval=60s CMD ["true"]'), ("VOLUME", '["/var/churn"]')):  # fmt: skip
        follow(stage, word, rest, {}, tmp_path)
    assert stage.volumes == ("/var/churn",)
    assert (tmp_path / "opt/churn").is_dir()
    starts = dict(list_starts("jobs", stage))
    assert (starts["its command"], starts["its health check"]) == (("tini", "--", "python"), ("true",))


def test_the_context_is_what_dockerignore_lets_in():
    context = list_context()
    assert {"spark_jobs", "uv.lock"} <= set(context)
    assert ":(exclude,glob)infra/docs/**" in context
