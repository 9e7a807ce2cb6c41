"""A method file whose loss fails in the second phase."""

from __future__ import annotations

import textwrap

PLUG_IN = """
    import torch
    from benchmark.method import Method

    class Broken(Method):
        name = "broken"
        summary = "fails in the second phase"
        family = "test"

        def loss(self, step):
            terms = step.new_losses()
            if step.phase.number == 2:
                terms["semantic/odd"] = {term}
            return terms
"""


def plug_in(folder, term):
    path = folder / "broken.py"
    path.write_text(textwrap.dedent(PLUG_IN).replace("{term}", term))
    return str(path)
