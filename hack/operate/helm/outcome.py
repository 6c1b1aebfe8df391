"""What an action raises instead of writing a value. Its text is the sentence for people, without the value's name."""

from __future__ import annotations


class ByHand(Exception):
    """A person has to do something."""


class NoEffect(Exception):
    """Nothing of the value is needed here."""
