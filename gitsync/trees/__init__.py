"""Trees on a volume: one read-only directory for each revision, and the link to the current one."""
