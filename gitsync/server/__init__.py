"""The controller's HTTP server, for members, operators, webhooks, probes and metrics."""
