"""`python -m gitsync.analysis`: one analysis, with the request on standard input. It writes lines of JSON."""

from gitsync.analysis.child import main

main()
