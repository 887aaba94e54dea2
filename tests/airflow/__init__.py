"""The product in a live Airflow: by its scheduler, its UI, its REST API and its command line. See make test-airflow."""
