"""The order of the stages, and Dagster's door to it: the only package that imports dagster.

``station`` is what a run works with; ``night``, ``judge``, ``drops`` and ``monthly`` put the stages together
in plain Python; ``assets``, ``checks``, ``jobs`` hang them into Dagster. The command line runs the same
Dagster jobs in process.
"""
