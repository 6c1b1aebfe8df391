"""What clusters usually bring and the embedded node gets on request, GitOps tools among them: see docs/node.md."""
