"""Add-ons of the embedded node: services that clusters usually have, and GitOps tools. See docs/node.md."""
