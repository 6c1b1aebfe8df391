"""GitOps tools as their projects release them, built or taken from pinned Go modules."""
