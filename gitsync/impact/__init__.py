"""Finds the DAG files that a commit touches, by analysing all files of the old and the new revision.

`touched` is the entry. `python` and `facts` analyse one file, `cache` keeps the results, `names` and `spread` follow
imports and mentions from the changed files to DAG files, `restart` finds components that must restart.
"""
