"""What runs when: one file per DAG family, one DAG per shop in each."""
