"""Which fleet, with what settings: the fleet spec and the connection contract."""
