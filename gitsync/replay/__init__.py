"""`gitsync impact`: compares the last commits of a local repository as the controller would. It needs no cluster."""
