"""Makes a cluster on a machine that has none: the embedded node, its add-ons, and the images for the stack."""
