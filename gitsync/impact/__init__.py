"""What a commit touches."""
