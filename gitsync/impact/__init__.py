"""Finds the DAG files that a commit touches, by analysing the files of the old and the new revision.

`touched` is the entry. For each DAG file, `change` asks whether a file on which it depends is among the changed ones.

One file: `code` splits Python into units, and `reader` notes what a unit uses. `values` evaluates its expressions to
`texts`, with the names of `bindings`. `words` reads other texts. `facts` has the result, and `cache` keeps it by the
file's content.

One revision: `paths` has the files that a text can mean, `imports` those of an import. `liveness` says which units run,
`finder` what they use, and `closure` follows that from a DAG file to all files on which it depends.
"""
