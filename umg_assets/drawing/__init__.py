"""Pictures as SVG text: no library, no style attribute, so that they may stand in a page with a strict CSP."""
