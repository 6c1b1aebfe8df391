"""Translates the values of a Helm chart into an overlay, with a sentence for each value that needs a person."""
