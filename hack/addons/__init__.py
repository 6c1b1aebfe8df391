"""What clusters usually bring and the embedded node gets on request: see docs/node.md."""
