"""The codec of GRIB: one message of either edition, its packings and its grids of bits."""
