"""`hack/kube-airflow check`: finds what a built overlay names and does not have."""
