"""From files to arrays: decoding, label descriptions, matching, and readers of copies."""
