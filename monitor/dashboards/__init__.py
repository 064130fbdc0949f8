"""Grafana's dashboards: made from Python into `dashboards/*/*.json`, which are shipped and checked in.

`boards/` says what is shown, `promql.py` and `flux.py` ask for it in both languages, `build.py` makes
Grafana's JSON of it. Making them needs grafana-foundation-sdk, of the development group; exporting and
pushing what is shipped (`shipped.py`, `push.py`) needs nothing.
"""
