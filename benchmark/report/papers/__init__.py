"""The tables of the papers, published numbers beside measured ones."""
