"""The authors' code and this project's side by side, each in a process of its own."""
