"""The HTTP side of the controller, and the client of it."""
