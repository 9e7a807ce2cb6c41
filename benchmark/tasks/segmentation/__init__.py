"""The task kind 'segmentation'."""
