"""Container images: built once, loaded into the embedded node, pushed to a registry."""
