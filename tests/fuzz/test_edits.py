"""Randomly edited records, statistics and families end in a result or one message.

LHLBENCH_FUZZ=SECONDS goes on for so long, over all commands that read records.
"""

from __future__ import annotations

import os
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.edits import edit_families, edit_records, edit_statistics, fuzz, new_folder

SEEDS = st.integers(0, 2 ** 32 - 1).map(Random)


@given(SEEDS)
@settings(max_examples=2, deadline=None)
def test_edited_records_break_no_list_and_no_table(random):
    with new_folder() as folder:
        edit_records(random, folder)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_edited_statistics_are_one_message(random):
    with new_folder() as folder:
        edit_statistics(random, folder)


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_edited_families_are_one_message(random):
    with new_folder() as folder:
        edit_families(random, folder)


def test_the_long_form_reads_with_every_command():
    assert fuzz(float(os.environ.get("LHLBENCH_FUZZ", "0"))) >= 0
