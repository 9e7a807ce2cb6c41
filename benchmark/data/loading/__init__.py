"""From a store to batches on the device: blocks of a phase, loading, augmentation."""
