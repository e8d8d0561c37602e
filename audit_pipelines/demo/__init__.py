"""A made-up organisation, its labelled incidents, and a real HTTP server that serves its audit log.

What belongs here: the seeded generator (``plan``), the server on loopback (``server``), and a fast maker
of many records for measurements (``bulk``). What does not: any stage of the pipeline; the demo is a
source like any other and is read through the same client.
"""
