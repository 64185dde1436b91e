"""Run the benchmarks: ``python benchmarks/run.py --help``.

Processes that multiprocessing starts import this file again, so it imports nothing before it is run.
"""

if __name__ == "__main__":
    from suite import main

    main()
