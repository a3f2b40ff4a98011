"""What Trimtab must show, measured: one module or package each, run by `python -m benchmarks.NAME`."""

from trimtab.process import prepare_process

prepare_process()
