"""The network: one shared backbone, one head per task."""
