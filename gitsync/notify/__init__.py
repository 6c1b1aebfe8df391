"""Sends notices about revisions to receivers: webhooks, commit statuses, commands and files.

The sinks need only the standard library, because stand-alone mode uses them, too.
"""
