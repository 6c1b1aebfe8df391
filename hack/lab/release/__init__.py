"""Writes a release: image archives with their bills of materials, the wheel, the overlays, and checksums."""
