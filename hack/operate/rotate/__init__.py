"""`hack/kube-airflow rotate`: changes secrets of a running instance."""
