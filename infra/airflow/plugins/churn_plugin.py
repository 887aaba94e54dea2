"""What Airflow's own processes have to know of the product: when scores are due."""

from airflow.plugins_manager import AirflowPlugin

from dags.alerts import ScoresDue


class ChurnPlugin(AirflowPlugin):
    name = "churn"
    deadline_references = [ScoresDue]  # noqa: RUF012
