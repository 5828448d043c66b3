"""An emulator of the hosted service, written from the API's document alone.

It imports nothing from the rest of batchgen, so that a misreading there is not repeated here. Start it with
:class:`batchgen.emulator.server.Emulator` inside a process, or :func:`batchgen.emulator.serve.serve_forever`
as a process of its own; :data:`batchgen.emulator.faults.TABLE` names the faults it can show.
"""
