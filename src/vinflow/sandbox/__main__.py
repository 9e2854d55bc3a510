"""python -m vinflow.sandbox"""

from vinflow.sandbox.command import run

if __name__ == "__main__":
    run(prog_name="python -m vinflow.sandbox")
