"""From files to arrays: decoding, label descriptions, and the copies people hold."""
