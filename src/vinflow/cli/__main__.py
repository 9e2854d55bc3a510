"""`python -m vinflow.cli`: the command, by the interpreter that is running."""

from __future__ import annotations

from vinflow.cli import main

if __name__ == "__main__":
    main(prog_name="vinflow")
