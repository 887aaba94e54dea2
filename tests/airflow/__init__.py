"""Tests in a live Airflow: scheduler, UI, REST API and command line. See make test-airflow."""
