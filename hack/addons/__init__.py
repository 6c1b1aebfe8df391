"""What clusters usually bring and the embedded node gets on request: a metrics server, KEDA, an ingress controller, a
network plugin."""
