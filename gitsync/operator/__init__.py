"""The commands of operators. They ask a controller over HTTP, and print the answer."""
