"""Reads the contents of a commit in a process of its own, whose memory and time are limited."""
