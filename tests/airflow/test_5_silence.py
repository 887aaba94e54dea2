"""What happens to a model whose approval stays unanswered?"""

from __future__ import annotations

from tests.airflow.story import TRAIN, await_run


def test_an_unanswered_approval_is_a_rejection(airflow, training, unanswered):
    assert await_run(airflow, TRAIN, training)["state"] == "success"
    tasks = airflow.tasks(TRAIN, training)
    assert (tasks["approve"]["state"], tasks["promote"]["state"]) == ("success", "skipped")
