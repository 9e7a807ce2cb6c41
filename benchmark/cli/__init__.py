"""The command line. Modules here are thin: they read options, call the harness, print."""
