"""The same figures as flights.py, without a Client: Dask's own threads in this process.

Nothing about a cluster is in this file. See flights.py for the data and the options.
"""

from flights_data import main, parse_options

if __name__ == "__main__":
    main(parse_options(__doc__))
