"""Delays of the 336,776 flights that left New York City in 2013, by carrier, airport and weather.

A bare Client() is all that this file says about where to compute. Unchanged, it runs on a cluster
on this machine, or on any fleet that Dask's own configuration names.

The flights are unpacked to CSV files, one per month, which the workers read. Workers on other
machines need a folder that they can see too: say --data URL, a shared folder or an object store
(the workers then use their own credentials), or --ship to send the data with the tasks.
"""

from distributed import Client

from flights_data import main, parse_options

# The guard matters: the processes of a local cluster import this file again.
if __name__ == "__main__":
    options = parse_options(__doc__)
    with Client():
        main(options)
