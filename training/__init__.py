"""Learns churn from customer_series and scores with what it learned; knows neither Spark nor Airflow."""
