"""Telling others what happens to revisions. The sinks need the standard library only; stand-alone mode has them too."""
