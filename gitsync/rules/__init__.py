"""The rules on publishing, as pure functions: facts in, a decision and its reason out. No clock, network or files."""
