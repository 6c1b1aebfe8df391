"""The verbs of `hack/kube-airflow`, which operators run against any cluster. They need Python and kubectl alone."""
