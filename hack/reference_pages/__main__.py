"""Writes the generated pages."""

from __future__ import annotations

from hack.reference_pages import CHECKOUT, pages

if __name__ == "__main__":
    for path, text in pages().items():
        (CHECKOUT / path).write_text(text)
        print(f"wrote {path}")
