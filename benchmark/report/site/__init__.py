"""The results as a folder of pages: leaderboards, a page per method, a page per run.

Static HTML, one style sheet, one script; nothing is loaded from elsewhere, so the pages open from
a disk. All numbers are computed here, none in the browser.
"""
